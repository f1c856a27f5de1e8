"""Adding rows of usage to the hourly and daily rollups, by statements of the database."""

from collections.abc import Sequence
from typing import Any, Final

from django.db import connection

COLUMNS: Final = """
    minute bigint, subscription_id text, client_id text, plan_id text, api_id text,
    operation_id text, status int, cause text, calls bigint, request_bytes bigint,
    response_bytes bigint, latency_ms bigint"""

# As wire.usage_batch.guess_cause: rows that were stored by an earlier release have none.
_CAUSE: Final = """coalesce(usage.cause, CASE WHEN usage.status BETWEEN 100 AND 399 THEN 'upstream'
    WHEN usage.status >= 500 THEN 'gateway' ELSE 'client' END)"""

# Sorted, so that two folders take the locks of shared rollup rows in the same order.
_ROLL_UP: Final = """
INSERT INTO {table} AS rollup ({period}, subscription_id, client_id, plan_id, api_id,
    operation_id, status, cause, calls, request_bytes, response_bytes, latency_ms)
SELECT {start} AS period, subscription_id, client_id, plan_id, api_id, operation_id, status,
    {cause} AS cause, sum(calls), sum(request_bytes), sum(response_bytes), sum(latency_ms)
{source}
GROUP BY period, subscription_id, client_id, plan_id, api_id, operation_id, status, {cause}
ORDER BY period, subscription_id, client_id, plan_id, api_id, operation_id, status, cause
ON CONFLICT ({period}, subscription_id, client_id, plan_id, api_id, operation_id, status, cause)
DO UPDATE SET
    calls = rollup.calls + EXCLUDED.calls,
    request_bytes = rollup.request_bytes + EXCLUDED.request_bytes,
    response_bytes = rollup.response_bytes + EXCLUDED.response_bytes,
    latency_ms = rollup.latency_ms + EXCLUDED.latency_ms
"""
_TARGETS: Final = (
    ("metering_hourlyusage", "hour_at", "date_trunc('hour', to_timestamp({minute}), 'UTC')"),
    ("metering_dailyusage", "date", "(to_timestamp({minute}) AT TIME ZONE 'UTC')::date"),
)


def add_to_rollups(*, source: str, parameters: Sequence[Any], minute: str = "usage.minute") -> None:
    """Add what `source`, FROM and WHERE, selects as `usage`. Runs 2 statements.

    `{columns}` in it stands for the columns of a row; `minute` is when it counts, in Unix time.
    """
    with connection.cursor() as cursor:
        for table, period, start in _TARGETS:
            statement = _ROLL_UP.format(
                table=table,
                period=period,
                start=start.format(minute=minute),
                cause=_CAUSE,
                source=source.format(columns=COLUMNS),
            )
            cursor.execute(statement, parameters)
