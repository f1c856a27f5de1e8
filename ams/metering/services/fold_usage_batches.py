"""Batches become hourly and daily rollups, each batch exactly once.

One transaction locks the batches, adds their rows to both rollups and marks them. A crash
anywhere leaves them unfolded and the rollups untouched.
"""

import uuid
from typing import Final

from django.db import connection, transaction
from django.db.models.functions import Now

from ams.metering.models import UsageBatchRecord
from ams.metering.rollup import COLUMNS, add_to_rollups

LATE_SECONDS: Final = 35 * 86_400
FUTURE_SECONDS: Final = 300

# Measured from the arrival, so that a fold that had to wait judges a row as an early one would.
_AGE: Final = "extract(epoch FROM batch.received_at) - usage.minute"
_IS_FUTURE: Final = f"({_AGE} < -{FUTURE_SECONDS})"
_IS_LATE: Final = f"({_AGE} > {LATE_SECONDS} AND NOT batch.is_import)"

_ROWS: Final = """
FROM metering_usagebatchrecord AS batch
CROSS JOIN LATERAL jsonb_to_recordset(batch.document -> 'rows') AS usage({columns})
WHERE batch.id = ANY(%s)
"""
_COUNTED: Final = f"{_ROWS} AND NOT {_IS_FUTURE} AND NOT {_IS_LATE}"

_QUARANTINE: Final = f"""
INSERT INTO metering_quarantinedusage
    (batch_id, reason, row, quarantined_at, resolution, resolved_by)
SELECT batch.id, CASE WHEN {_IS_FUTURE} THEN 'future' ELSE 'late' END, to_jsonb(usage), now(),
    '', ''
{_ROWS.format(columns=COLUMNS)} AND ({_IS_FUTURE} OR {_IS_LATE})
"""


def fold_usage_batches(*, limit: int = 200) -> int:
    """Add at most `limit` waiting batches to the rollups; how many. Safe to run side by side.

    Batches that another folder holds are left to it. Rows more than 35 days late or more than
    5 minutes ahead of their arrival go to the quarantine. Runs 5 statements.
    """
    with transaction.atomic():
        ids = _lock_waiting_batches(limit)
        if ids:
            add_to_rollups(source=_COUNTED, parameters=[ids])
            with connection.cursor() as cursor:
                cursor.execute(_QUARANTINE, [ids])
            UsageBatchRecord.objects.filter(pk__in=ids).update(folded_at=Now())
    return len(ids)


def _lock_waiting_batches(limit: int) -> list[uuid.UUID]:
    waiting = UsageBatchRecord.objects.select_for_update(skip_locked=True).filter(folded_at=None)
    return list(waiting.order_by("received_at").values_list("pk", flat=True)[:limit])
