"""Batches become hourly and daily rollups, each batch exactly once.

One transaction locks the batches, adds their rows to both rollups and marks them. A crash
anywhere leaves them unfolded and the rollups untouched.
"""

import uuid
from typing import Final

from django.db import connection, transaction
from django.db.models.functions import Now

from ams.metering.models import UsageBatchRecord

LATE_SECONDS: Final = 35 * 86_400
FUTURE_SECONDS: Final = 300

# Measured from the arrival, so that a fold that had to wait judges a row as an early one would.
_AGE: Final = "extract(epoch FROM batch.received_at) - usage.minute"
_IS_FUTURE: Final = f"({_AGE} < -{FUTURE_SECONDS})"
_IS_LATE: Final = f"({_AGE} > {LATE_SECONDS} AND NOT batch.is_import)"

# As wire.usage_batch.guess_cause: batches that were stored by an earlier release have none.
_CAUSE: Final = """coalesce(usage.cause, CASE WHEN usage.status BETWEEN 100 AND 399 THEN 'upstream'
    WHEN usage.status >= 500 THEN 'gateway' ELSE 'client' END)"""

_ROWS: Final = """
FROM metering_usagebatchrecord AS batch
CROSS JOIN LATERAL jsonb_to_recordset(batch.document -> 'rows') AS usage(
    minute bigint, subscription_id text, client_id text, plan_id text, api_id text,
    operation_id text, status int, cause text, calls bigint, request_bytes bigint,
    response_bytes bigint, latency_ms bigint)
WHERE batch.id = ANY(%s)
"""

# Sorted, so that two folders take the locks of shared rollup rows in the same order.
_ROLL_UP: Final = """
INSERT INTO {table} AS rollup ({period}, subscription_id, client_id, plan_id, api_id,
    operation_id, status, cause, calls, request_bytes, response_bytes, latency_ms)
SELECT {start} AS period, subscription_id, client_id, plan_id, api_id, operation_id, status,
    {cause} AS cause, sum(calls), sum(request_bytes), sum(response_bytes), sum(latency_ms)
{rows} AND NOT {is_future} AND NOT {is_late}
GROUP BY period, subscription_id, client_id, plan_id, api_id, operation_id, status, {cause}
ORDER BY period, subscription_id, client_id, plan_id, api_id, operation_id, status, cause
ON CONFLICT ({period}, subscription_id, client_id, plan_id, api_id, operation_id, status, cause)
DO UPDATE SET
    calls = rollup.calls + EXCLUDED.calls,
    request_bytes = rollup.request_bytes + EXCLUDED.request_bytes,
    response_bytes = rollup.response_bytes + EXCLUDED.response_bytes,
    latency_ms = rollup.latency_ms + EXCLUDED.latency_ms
"""

_QUARANTINE: Final = f"""
INSERT INTO metering_quarantinedusage (batch_id, reason, row, quarantined_at)
SELECT batch.id, CASE WHEN {_IS_FUTURE} THEN 'future' ELSE 'late' END, to_jsonb(usage), now()
{_ROWS} AND ({_IS_FUTURE} OR {_IS_LATE})
"""


def _roll_up(table: str, period: str, start: str) -> str:
    return _ROLL_UP.format(
        table=table,
        period=period,
        start=start,
        cause=_CAUSE,
        rows=_ROWS,
        is_future=_IS_FUTURE,
        is_late=_IS_LATE,
    )


_STATEMENTS: Final = (
    _roll_up(
        "metering_hourlyusage", "hour_at", "date_trunc('hour', to_timestamp(usage.minute), 'UTC')"
    ),
    _roll_up(
        "metering_dailyusage", "date", "(to_timestamp(usage.minute) AT TIME ZONE 'UTC')::date"
    ),
    _QUARANTINE,
)


def fold_usage_batches(*, limit: int = 200) -> int:
    """Add at most `limit` waiting batches to the rollups; how many. Safe to run side by side.

    Batches that another folder holds are left to it. Rows more than 35 days late or more than
    5 minutes ahead of their arrival go to the quarantine. Runs 5 statements.
    """
    with transaction.atomic():
        ids = _lock_waiting_batches(limit)
        if ids:
            with connection.cursor() as cursor:
                for statement in _STATEMENTS:
                    cursor.execute(statement, [ids])
            UsageBatchRecord.objects.filter(pk__in=ids).update(folded_at=Now())
    return len(ids)


def _lock_waiting_batches(limit: int) -> list[uuid.UUID]:
    waiting = UsageBatchRecord.objects.select_for_update(skip_locked=True).filter(folded_at=None)
    return list(waiting.order_by("received_at").values_list("pk", flat=True)[:limit])
