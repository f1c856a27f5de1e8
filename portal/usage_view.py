"""What the usage panels show: totals, status classes, hours and quota, ready for a template."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ams.data import HourData, QuotaData, SubscriptionData, UsageData
from portal.usage_chart import STATUS_CLASSES, UsageChart, draw_usage

_NAMES: Final = {2: "Successful", 3: "Redirected", 4: "Client errors", 5: "Server errors"}
_NEAR_PERCENT: Final = 80
_FULL_PERCENT: Final = 100


@dataclass(frozen=True, slots=True)
class StatusShare:
    status_class: int
    name: str
    calls: int
    percent: str


@dataclass(frozen=True, slots=True)
class QuotaMeter:
    """`percent` stops at 100, `tone` says in a word how near the end is."""

    name: str
    quota: QuotaData
    percent: float
    tone: str

    @property
    def left(self) -> int:
        return max(self.quota.limit - self.quota.used, 0)


@dataclass(frozen=True, slots=True)
class HourRow:
    hour_at: datetime
    calls: int
    errors: int


@dataclass(frozen=True, slots=True)
class UsageView:
    calls: int
    shares: tuple[StatusShare, ...]
    rows: tuple[HourRow, ...]  # newest first, only hours with calls
    chart: UsageChart
    meters: tuple[QuotaMeter, ...]
    are_several: bool  # subscriptions: a meter has to say whose it is
    # Changes when anything shown changes; a poll that sends it back gets 204 while it holds.
    version: str


def show_usage(usages: Sequence[tuple[SubscriptionData, UsageData]]) -> UsageView:
    """Return one view of the usage of one or more subscriptions, added up hour by hour."""
    hours = _add_hours([usage for _, usage in usages])
    by_class: Counter[int] = Counter()
    for _, usage in usages:
        by_class.update(usage.by_class)
    calls = sum(usage.calls for _, usage in usages)
    return UsageView(
        calls=calls,
        shares=tuple(
            StatusShare(
                status_class,
                _NAMES[status_class],
                by_class[status_class],
                _percent(by_class, status_class),
            )
            for status_class in STATUS_CLASSES
        ),
        rows=tuple(
            HourRow(hour.hour_at, hour.calls, hour.by_class.get(4, 0) + hour.by_class.get(5, 0))
            for hour in reversed(hours)
            if hour.calls
        ),
        chart=draw_usage(hours),
        are_several=len(usages) > 1,
        meters=tuple(
            _meter(subscription, quota) for subscription, usage in usages for quota in usage.quotas
        ),
        version=_version(usages),
    )


def _add_hours(usages: Sequence[UsageData]) -> tuple[HourData, ...]:
    if len(usages) == 1:
        return usages[0].hours
    totals: dict[datetime, tuple[int, Counter[int]]] = {}
    for usage in usages:
        for hour in usage.hours:
            calls, by_class = totals.get(hour.hour_at, (0, Counter[int]()))
            totals[hour.hour_at] = (calls + hour.calls, by_class + Counter(hour.by_class))
    return tuple(
        HourData(hour_at=hour_at, calls=calls, by_class=dict(by_class))
        for hour_at, (calls, by_class) in sorted(totals.items())
    )


def _percent(by_class: Counter[int], status_class: int) -> str:
    total = sum(by_class.values())
    return f"{100 * by_class[status_class] / total:.1f}" if total else "0"


def _meter(subscription: SubscriptionData, quota: QuotaData) -> QuotaMeter:
    percent = 100 * quota.used / quota.limit if quota.limit else 100.0
    tone = "good" if percent < _NEAR_PERCENT else "near"
    if percent >= _FULL_PERCENT:
        tone = "full"
    name = f"{subscription.plan.product_name}, {subscription.plan.name}"
    return QuotaMeter(name, quota, round(min(percent, 100.0), 1), tone)


def _version(usages: Sequence[tuple[SubscriptionData, UsageData]]) -> str:
    shown = repr([(s.status, u.calls, u.by_class, u.hours, u.quotas) for s, u in usages])
    return hashlib.sha256(shown.encode()).hexdigest()[:16]
