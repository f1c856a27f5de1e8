from datetime import UTC, datetime

from django.utils import timezone

from ams.metering.models import UsageSource
from wire.usage_report import UsageReport


def note_usage_report(*, report: UsageReport) -> None:
    """Remember what a worker told; forget a worker that ended with nothing left."""
    if report.is_leaving:
        UsageSource.objects.filter(pk=report.node).delete()
        return
    UsageSource.objects.update_or_create(
        node=report.node,
        defaults={
            "shipped_until": datetime.fromtimestamp(report.shipped_until, UTC),
            "spool_bytes": report.spool_bytes,
            "calls_lost": report.calls_lost,
            "segments_discarded": report.segments_discarded,
            "reported_at": timezone.now(),
        },
    )
