"""Stored batches are let go in two steps: first what they said, then that they came."""

import uuid
from datetime import timedelta
from typing import Final

from django.db.models import QuerySet
from django.utils import timezone

from ams.metering.models import UsageBatchRecord
from ams.metering.services.fold_usage_batches import LATE_SECONDS

EMPTY_AFTER: Final = timedelta(days=14)
# A batch that comes again after that is quarantined as late, so it is not counted twice. Twice the
# limit, because a row may be named up to five minutes after it came.
FORGET_AFTER: Final = timedelta(seconds=2 * LATE_SECONDS)
_AT_ONCE: Final = 5000


def purge_usage_batches() -> tuple[int, int]:
    """Empty folded batches after 14 days, delete them after 70 days; how many of each.

    Imports stay known for ever, since they may be of any age; so do batches with rows in
    quarantine. At most 5,000 of each in one run.
    """
    now = timezone.now()
    folded = UsageBatchRecord.objects.filter(folded_at__isnull=False)
    old = folded.filter(received_at__lt=now - EMPTY_AFTER, document__isnull=False)
    emptied = UsageBatchRecord.objects.filter(pk__in=_some(old)).update(document=None)
    forgotten = folded.filter(received_at__lt=now - FORGET_AFTER, is_import=False, quarantined=None)
    deleted, _ = UsageBatchRecord.objects.filter(pk__in=_some(forgotten)).delete()
    return emptied, deleted


def _some(batches: QuerySet[UsageBatchRecord]) -> list[uuid.UUID]:
    return list(batches.order_by("received_at").values_list("pk", flat=True)[:_AT_ONCE])
