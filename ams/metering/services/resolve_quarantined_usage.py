"""A person decides what becomes of usage that was not counted."""

from datetime import UTC, datetime
from typing import Final

from django.db import transaction
from django.utils import timezone

from ams.errors import InvalidTransition, NotFound
from ams.metering.models import QuarantinedUsage
from ams.metering.rollup import add_to_rollups

_ROWS: Final = """
FROM (
    SELECT received_at, row, reason FROM metering_quarantinedusage AS quarantined
    JOIN metering_usagebatchrecord ON metering_usagebatchrecord.id = quarantined.batch_id
    WHERE quarantined.id = %s
) AS batch
CROSS JOIN LATERAL jsonb_to_record(batch.row) AS usage({columns})
WHERE true
"""
# A clock that is ahead says nothing of when the call was: it was at most a moment before it came.
_MINUTE: Final = """CASE batch.reason WHEN 'future'
    THEN extract(epoch FROM batch.received_at)::bigint ELSE usage.minute END"""


@transaction.atomic
def release_quarantined_usage(*, usage_id: int, actor: str) -> QuarantinedUsage:
    """Count the row after all, once, and return it.

    A late one counts in its own hour and day, one from the future when it arrived. Drafts of
    invoices are rated anew with it, finished ones never change. Raises NotFound, and
    InvalidTransition when it was decided before.
    """
    usage = _resolve(usage_id, QuarantinedUsage.Resolution.RELEASED, actor)
    add_to_rollups(source=_ROWS, minute=_MINUTE, parameters=[usage_id])
    return usage


@transaction.atomic
def discard_quarantined_usage(*, usage_id: int, actor: str) -> QuarantinedUsage:
    """Let the row never count, and return it. Raises NotFound, InvalidTransition."""
    return _resolve(usage_id, QuarantinedUsage.Resolution.DISCARDED, actor)


def _resolve(
    usage_id: int, resolution: QuarantinedUsage.Resolution, actor: str
) -> QuarantinedUsage:
    usage = QuarantinedUsage.objects.select_for_update().filter(pk=usage_id).first()
    if usage is None:
        raise NotFound(f"There is no usage {usage_id} in quarantine.")
    if usage.resolution:
        when = (usage.resolved_at or datetime.min.replace(tzinfo=UTC)).strftime("%Y-%m-%d %H:%M")
        raise InvalidTransition(f"It was {usage.resolution} on {when} by {usage.resolved_by}.")
    usage.resolution = resolution
    usage.resolved_at = timezone.now()
    usage.resolved_by = actor
    usage.save(update_fields=["resolution", "resolved_at", "resolved_by"])
    return usage
