from dataclasses import dataclass
from datetime import UTC, datetime

from django.db.models import Count, Min
from django.utils import timezone

from ams.metering.fold_queue import fold_queue
from ams.metering.models import QuarantinedUsage, UsageBatchRecord


@dataclass(frozen=True, slots=True)
class MeteringHealth:
    """How far folding is behind. `enqueue_failures` are this process's since its start."""

    unfolded: int
    oldest_unfolded_at: datetime | None
    oldest_unfolded_seconds: float
    last_folded_minute: datetime | None
    quarantined: int
    enqueue_failures: int


def get_metering_health() -> MeteringHealth:
    """Return the figures an operator watches. Runs 3 queries, each on a small index."""
    waiting = UsageBatchRecord.objects.filter(folded_at=None).aggregate(
        batches=Count("pk"), oldest=Min("received_at")
    )
    oldest = waiting["oldest"]
    age = (timezone.now() - oldest).total_seconds() if oldest else 0.0
    return MeteringHealth(
        unfolded=waiting["batches"],
        oldest_unfolded_at=oldest,
        oldest_unfolded_seconds=max(0.0, age),
        last_folded_minute=_last_folded_minute(),
        quarantined=QuarantinedUsage.objects.count(),
        enqueue_failures=fold_queue.failures,
    )


def _last_folded_minute() -> datetime | None:
    """Return the newest minute in the batch that was folded last, imports left out."""
    batch = (
        UsageBatchRecord.objects.filter(folded_at__isnull=False, is_import=False)
        .order_by("-folded_at")
        .first()
    )
    minutes = [row["minute"] for row in batch.document["rows"]] if batch else []
    return datetime.fromtimestamp(max(minutes), UTC) if minutes else None
