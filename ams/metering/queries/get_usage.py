import uuid
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db.models import F, Sum
from django.utils import timezone

from ams.data import HourData, QuotaData, SubscriberRef, UsageData
from ams.errors import NotFound
from ams.metering.models import Cause, HourlyUsage
from ams.metering.quota_period import get_quota_period
from ams.plans.models import Plan
from ams.subscriptions.models import Subscription

MAXIMUM_HOURS: Final = 31 * 24
_CLASSES: Final = (2, 3, 4, 5)
_TOO_MANY_REQUESTS: Final = 429


def get_usage(
    *, subscriber: SubscriberRef, subscription_id: uuid.UUID, hours: int = 24
) -> UsageData:
    """Return the calls of the last `hours` clock hours, the running one included, oldest first.

    Hours without calls are there too. Counts what is folded: a call shows up within 5 s. The
    quota counts every call but those the gateway itself refused with 429; where a time zone is not
    whole hours off UTC, the hour around the period's start counts to the earlier period. At
    most 31 days. Raises NotFound, also for another's subscription. Runs 3 queries.
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
        quota=_read_quota(str(subscription.pk), subscription.plan),
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


def _read_quota(subscription_id: str, plan: Plan) -> QuotaData | None:
    if plan.quota_calls is None:
        return None
    start, end = get_quota_period(plan=plan, now=timezone.now())
    used = (
        HourlyUsage.objects.filter(
            subscription_id=subscription_id, hour_at__gte=start, hour_at__lt=end
        )
        .exclude(status=_TOO_MANY_REQUESTS, cause=Cause.CLIENT)
        .aggregate(calls=Sum("calls"))["calls"]
    )
    return QuotaData(
        limit=plan.quota_calls,
        used=used or 0,
        period=plan.quota_period,
        resets_at=end,
        overage=plan.quota_overage,
    )
