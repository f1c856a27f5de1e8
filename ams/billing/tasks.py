"""Celery tasks of billing; they only call services."""

import logging
from datetime import UTC, datetime, time, timedelta
from typing import Final

from celery import shared_task
from django.utils import timezone

from ams.billing.services.close_period import close_period
from ams.metering.queries.get_metering_health import get_metering_health
from ams.metering.services.fold_usage_batches import fold_usage_batches

logger = logging.getLogger(__name__)

# Gateways that were cut off for a while still deliver the last hour of the month.
MINUTE: Final = timedelta(minutes=1)
GRACE: Final = timedelta(hours=1)


@shared_task
def close_periods() -> None:
    """Close the month before this one, once its grace is over and its usage is folded.

    Run hourly: later runs rate the drafts anew, so that late usage is in them. Two runs at
    once are safe; each invoice is locked.
    """
    this_month = timezone.now().astimezone(UTC).date().replace(day=1)
    closes_at = datetime.combine(this_month, time(), UTC) + GRACE
    if timezone.now() < closes_at:
        return
    while fold_usage_batches():
        pass
    health = get_metering_health()
    oldest = health.oldest_unfolded_at
    if oldest is not None and oldest < closes_at:
        logger.warning("The month is not closed: usage that arrived %s is not folded.", oldest)
        return
    reconciled = health.reconciled_minute
    if reconciled is not None and reconciled < datetime.combine(this_month, time(), UTC) - MINUTE:
        # A machine that never comes back must not hold up everybody's invoice.
        logger.warning(
            "The month is closed although a gateway worker may hold usage of it: reconciled up to"
            " %s. Drafts are rated anew until they are finalized.",
            reconciled,
        )
    close_period(period_start=(this_month - timedelta(days=1)).replace(day=1))
