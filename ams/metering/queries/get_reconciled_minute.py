from datetime import UTC, datetime, timedelta
from typing import Final

from django.db import connection
from django.db.models import Min
from django.utils import timezone

from ams.metering.models import UsageSource

_MINUTE: Final = timedelta(minutes=1)

_OLDEST_UNFOLDED: Final = """
SELECT min((usage ->> 'minute')::bigint)
FROM metering_usagebatchrecord AS batch, jsonb_array_elements(batch.document -> 'rows') AS usage
WHERE batch.folded_at IS NULL AND NOT batch.is_import
"""


def get_reconciled_minute() -> datetime | None:
    """Return the newest minute of which nothing is under way; None while no worker is known.

    Every known worker has shipped what it counted in that minute and before, and it is folded. By
    the workers' own clocks: one that steps back may still count into it. Runs 2 queries.
    """
    # Workers first: what they say is stored was stored before, so the second query sees it.
    shipped = UsageSource.objects.aggregate(until=Min("shipped_until"))["until"]
    if shipped is None:
        return None
    until: datetime = min(shipped, timezone.now())
    with connection.cursor() as cursor:
        cursor.execute(_OLDEST_UNFOLDED)
        (oldest,) = cursor.fetchone()
    if oldest is not None:
        until = min(until, datetime.fromtimestamp(oldest, UTC))
    return until.replace(second=0, microsecond=0) - _MINUTE
