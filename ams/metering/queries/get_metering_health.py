from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Count, Min
from django.utils import timezone

from ams.metering.fold_queue import fold_queue
from ams.metering.models import QuarantinedUsage, UsageBatchRecord
from ams.metering.queries.get_reconciled_minute import get_reconciled_minute


@dataclass(frozen=True, slots=True)
class MeteringHealth:
    """How far folding is behind. `enqueue_failures` are this process's since its start."""

    unfolded: int
    oldest_unfolded_at: datetime | None
    oldest_unfolded_seconds: float
    last_folded_minute: datetime | None
    # Of the newest minute of which nothing is under way; None while no gateway worker is known.
    reconciled_minute: datetime | None
    lag_seconds: float  # since the end of that minute
    quarantined: int  # and neither released nor discarded
    enqueue_failures: int


def get_metering_health() -> MeteringHealth:
    """Return the figures an operator watches. Runs 5 queries, each on a small index."""
    waiting = UsageBatchRecord.objects.filter(folded_at=None).aggregate(
        batches=Count("pk"), oldest=Min("received_at")
    )
    oldest = waiting["oldest"]
    reconciled = get_reconciled_minute()
    age = (timezone.now() - oldest).total_seconds() if oldest else 0.0
    return MeteringHealth(
        unfolded=waiting["batches"],
        oldest_unfolded_at=oldest,
        oldest_unfolded_seconds=max(0.0, age),
        last_folded_minute=_last_folded_minute(),
        reconciled_minute=reconciled,
        lag_seconds=_lag_seconds(reconciled),
        quarantined=QuarantinedUsage.objects.filter(resolution="").count(),
        enqueue_failures=fold_queue.failures,
    )


def _lag_seconds(reconciled: datetime | None) -> float:
    if reconciled is None:
        return 0.0
    return (timezone.now() - reconciled - timedelta(minutes=1)).total_seconds()


def _last_folded_minute() -> datetime | None:
    """Return the newest minute in the batch that was folded last, imports left out."""
    batch = (
        UsageBatchRecord.objects.filter(
            folded_at__isnull=False, is_import=False, document__isnull=False
        )
        .order_by("-folded_at")
        .first()
    )
    document = batch.document if batch else None
    minutes = [row["minute"] for row in document["rows"]] if document else []
    return datetime.fromtimestamp(max(minutes), UTC) if minutes else None
