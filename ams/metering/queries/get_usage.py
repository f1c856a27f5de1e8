import logging
import uuid
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfoNotFoundError

from django.db.models import F, Q, Sum
from django.utils import timezone

from ams.data import HourData, QuotaData, SubscriberRef, UsageData
from ams.errors import NotFound
from ams.metering.models import Cause, HourlyUsage
from ams.plans.models import Plan, Quota
from ams.subscriptions.models import Subscription
from wire.calendar_period import calendar_period

logger = logging.getLogger(__name__)

MAXIMUM_HOURS: Final = 31 * 24
_CLASSES: Final = (2, 3, 4, 5)
_TOO_MANY_REQUESTS: Final = 429


def get_usage(
    *, subscriber: SubscriberRef, subscription_id: uuid.UUID, hours: int = 24
) -> UsageData:
    """Return the calls of the last `hours` clock hours, the running one included, oldest first.

    Hours without calls are there too. Counts what is folded: a call shows up within 5 s. Each
    quota counts every call but those the gateway itself refused with 429; where a time zone is not
    whole hours off UTC, the hour around the period's start counts to the earlier period; a quota
    of a minute is left out. At most 31 days. Raises NotFound, also for another's subscription.
    Runs 4 queries.
    """
    subscription = (
        Subscription.objects.select_related("plan")
        .filter(pk=subscription_id, subscriber__subject=subscriber.subject)
        .first()
    )
    if subscription is None:
        raise NotFound("There is no such subscription.")
    rows = _read_hours(str(subscription.pk), max(1, min(hours, MAXIMUM_HOURS)))
    by_class: Counter[int] = Counter()
    for row in rows:
        by_class.update(row.by_class)
    return UsageData(
        hours=rows,
        by_class=dict(by_class),
        calls=sum(row.calls for row in rows),
        quotas=_read_quotas(str(subscription.pk), subscription.plan),
    )


def _read_hours(subscription_id: str, hours: int) -> tuple[HourData, ...]:
    current = timezone.now().astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    first = current - timedelta(hours=hours - 1)
    counted: defaultdict[datetime, dict[int, int]] = defaultdict(lambda: dict.fromkeys(_CLASSES, 0))
    found = (
        HourlyUsage.objects.filter(subscription_id=subscription_id, hour_at__gte=first)
        .annotate(status_class=F("status") / 100)
        .values_list("hour_at", "status_class")
        .annotate(total=Sum("calls"))
    )
    for hour_at, status_class, calls in found:
        by_class = counted[hour_at]
        by_class[status_class] = by_class.get(status_class, 0) + calls
    hours_at = (first + timedelta(hours=offset) for offset in range(hours))
    return tuple(
        HourData(hour_at=hour_at, calls=sum(counted[hour_at].values()), by_class=counted[hour_at])
        for hour_at in hours_at
    )


def _read_quotas(subscription_id: str, plan: Plan) -> tuple[QuotaData, ...]:
    """Return the quotas with what is used of each, in one query."""
    now = timezone.now()
    found = [
        (quota, *_period(quota, plan, now))
        for quota in plan.quotas.all()
        if quota.period != Quota.Period.MINUTE
    ]
    if not found:
        return ()
    sums = {
        f"used_{at}": Sum("calls", filter=Q(hour_at__gte=start, hour_at__lt=end))
        for at, (_, start, end) in enumerate(found)
    }
    used = (
        HourlyUsage.objects.filter(
            subscription_id=subscription_id, hour_at__gte=min(start for _, start, _ in found)
        )
        .exclude(status=_TOO_MANY_REQUESTS, cause=Cause.CLIENT)
        .aggregate(**sums)
    )
    return tuple(
        QuotaData(
            name=quota.name,
            limit=quota.calls,
            used=used[f"used_{at}"] or 0,
            period=quota.period,
            resets_at=end,
            overage=quota.overage,
        )
        for at, (quota, _, end) in enumerate(found)
    )


def _period(quota: Quota, plan: Plan, now: datetime) -> tuple[datetime, datetime]:
    try:
        return calendar_period(quota.period, plan.timezone, now.timestamp())
    except (ZoneInfoNotFoundError, ValueError):
        # A page about usage must not fail for it; limits are the gateway's to enforce.
        logger.warning("Plan %s has an unknown time zone %r; UTC is used.", plan.pk, plan.timezone)
        return calendar_period(quota.period, "UTC", now.timestamp())
