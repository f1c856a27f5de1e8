"""When events of the audit log can be sealed."""

import time

from django.db import connection

# Where the numbers of the transactions of a restored log are; ours never get there.
ANOTHER_CLUSTER = 2**40


def wait_for_running_transactions():
    """Wait until nothing older than the events is running.

    Other tests' databases share this cluster's numbers, and hold sealing back for a moment.
    """
    deadline = time.monotonic() + 30
    while not _is_settled() and time.monotonic() < deadline:
        time.sleep(0.02)


def _is_settled():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(max(transaction_id), 0)"
            " < pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
            " FROM ims_auditevent WHERE transaction_id < %s",
            [ANOTHER_CLUSTER],
        )
        return cursor.fetchone()[0]
