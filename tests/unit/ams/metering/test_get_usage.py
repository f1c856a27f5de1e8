import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from ams.data import SubscriberRef
from ams.errors import NotFound
from ams.metering.queries.get_usage import get_usage
from ams.metering.quota_period import get_quota_period
from ams.metering.services.fold_usage_batches import fold_usage_batches
from ams.metering.services.store_usage_batch import store_usage_batch
from ams.plans.models import Plan
from tests.factories.usage import make_batch, make_plan, make_row, make_subscription

pytestmark = pytest.mark.django_db

ALICE = SubscriberRef(subject="alice")


def _use(subscription, *rows):
    store_usage_batch(
        document=make_batch(*(row | {"subscription_id": str(subscription.pk)} for row in rows)),
        is_import=True,
    )
    fold_usage_batches()


def test_every_hour_has_a_row_and_the_last_one_is_now():
    subscription = make_subscription()
    now = timezone.now()
    _use(subscription, make_row(now, calls=3), make_row(now - timedelta(hours=2), status=404))

    usage = get_usage(subscriber=ALICE, subscription_id=subscription.pk, hours=6)

    assert [row.calls for row in usage.hours] == [0, 0, 0, 1, 0, 3]
    assert usage.hours[-1].hour_at == now.replace(minute=0, second=0, microsecond=0)
    assert usage.hours[3].by_class == {2: 0, 3: 0, 4: 1, 5: 0}
    assert (usage.calls, usage.by_class) == (4, {2: 3, 3: 0, 4: 1, 5: 0})


def test_hours_before_the_window_are_left_out():
    subscription = make_subscription()
    _use(subscription, make_row(timezone.now() - timedelta(hours=3)))

    assert get_usage(subscriber=ALICE, subscription_id=subscription.pk, hours=3).calls == 0


@pytest.mark.parametrize(("asked", "given"), [(0, 1), (24, 24), (100_000, 744)])
def test_the_number_of_hours_stays_within_a_month(asked, given):
    subscription = make_subscription()

    usage = get_usage(subscriber=ALICE, subscription_id=subscription.pk, hours=asked)

    assert len(usage.hours) == given


def test_anothers_subscription_looks_like_none():
    subscription = make_subscription(subject="bob")

    for subscription_id in (subscription.pk, uuid.uuid4()):
        with pytest.raises(NotFound):
            get_usage(subscriber=ALICE, subscription_id=subscription_id)


def test_a_plan_without_quota_has_no_quota_state():
    subscription = make_subscription()

    assert get_usage(subscriber=ALICE, subscription_id=subscription.pk).quota is None


def test_quota_counts_this_period_but_not_what_the_limit_refused():
    plan = make_plan(quota_calls=1000, quota_overage="bill")
    subscription = make_subscription(plan=plan)
    now = timezone.now()
    month_start = now.replace(day=1, hour=0, minute=0)
    _use(
        subscription,
        make_row(now, calls=5),
        make_row(now, status=500, calls=2),
        make_row(now, status=429, calls=50, cause="client"),
        make_row(now, status=429, calls=1, cause="upstream"),
        make_row(month_start - timedelta(hours=1), calls=100),
    )

    quota = get_usage(subscriber=ALICE, subscription_id=subscription.pk).quota

    assert (quota.used, quota.limit, quota.period, quota.overage) == (8, 1000, "month", "bill")
    assert quota.resets_at > now
    assert quota.resets_at.day == 1


def test_statements_do_not_grow_with_usage(django_assert_num_queries):
    subscription = make_subscription(plan=make_plan(quota_calls=10))
    now = timezone.now()
    _use(
        subscription,
        *(
            make_row(now - timedelta(hours=hours), status=status)
            for hours in range(20)
            for status in (200, 201, 404, 500)
        ),
    )

    with django_assert_num_queries(3):
        get_usage(subscriber=ALICE, subscription_id=subscription.pk)


@pytest.mark.parametrize(
    ("timezone_name", "period", "now", "start", "end"),
    [
        ("UTC", "month", "2026-12-31T23:59+00:00", "2026-12-01T00:00+00:00", "2027-01-01T00:00Z"),
        ("UTC", "month", "2028-02-29T12:00Z", "2028-02-01T00:00Z", "2028-03-01T00:00Z"),
        ("Asia/Kolkata", "month", "2026-10-31T19:00Z", "2026-10-31T18:30Z", "2026-11-30T18:30Z"),
        # Clocks go back on 25 October: the day has 25 hours, and the month one hour more.
        ("Europe/Berlin", "day", "2026-10-25T10:00Z", "2026-10-24T22:00Z", "2026-10-25T23:00Z"),
        ("Europe/Berlin", "month", "2026-10-31T22:30Z", "2026-09-30T22:00Z", "2026-10-31T23:00Z"),
        ("Not/AZone", "day", "2026-10-25T10:00Z", "2026-10-25T00:00Z", "2026-10-26T00:00Z"),
    ],
)
def test_periods_begin_at_midnight_of_the_plans_time_zone(timezone_name, period, now, start, end):
    plan = Plan(timezone=timezone_name, quota_period=period)

    found = get_quota_period(plan=plan, now=datetime.fromisoformat(now))

    assert [moment.astimezone(UTC) for moment in found] == [
        datetime.fromisoformat(start),
        datetime.fromisoformat(end),
    ]
