"""The calendar period that a quota counts in."""

import logging
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ams.plans.models import Plan

logger = logging.getLogger(__name__)


def get_quota_period(*, plan: Plan, now: datetime) -> tuple[datetime, datetime]:
    """Return the start and the exclusive end of the plan's day or month around `now`.

    Midnights are those of the plan's time zone, also when its clocks change.
    """
    local = now.astimezone(_zone(plan))
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if plan.quota_period == Plan.Period.DAY:
        return midnight, midnight + timedelta(days=1)
    start = midnight.replace(day=1)
    # The 28th and 4 days is always in the next month.
    return start, (start.replace(day=28) + timedelta(days=4)).replace(day=1)


def _zone(plan: Plan) -> ZoneInfo:
    try:
        return ZoneInfo(plan.timezone)
    except (ZoneInfoNotFoundError, ValueError):
        # A page about usage must not fail for it; limits are the gateway's to enforce.
        logger.warning("Plan %s has an unknown time zone %r; UTC is used.", plan.pk, plan.timezone)
        return ZoneInfo("UTC")
