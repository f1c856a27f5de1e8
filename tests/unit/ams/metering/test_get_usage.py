import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from ams.data import SubscriberRef
from ams.errors import NotFound
from ams.metering.queries.get_usage import get_usage
from ams.metering.services.fold_usage_batches import fold_usage_batches
from ams.metering.services.store_usage_batch import store_usage_batch
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

    assert get_usage(subscriber=ALICE, subscription_id=subscription.pk).quotas == ()


def test_quota_counts_this_period_but_not_what_the_limit_refused():
    plan = make_plan(quotas=[{"calls": 1000, "overage": "bill"}])
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

    (quota,) = get_usage(subscriber=ALICE, subscription_id=subscription.pk).quotas

    assert (quota.used, quota.limit, quota.period, quota.overage) == (8, 1000, "month", "bill")
    assert quota.resets_at > now
    assert quota.resets_at.day == 1


def test_statements_do_not_grow_with_usage(django_assert_num_queries):
    subscription = make_subscription(
        plan=make_plan(quotas=[{"calls": 10}, {"name": "day", "calls": 5, "period": "day"}])
    )
    now = timezone.now()
    _use(
        subscription,
        *(
            make_row(now - timedelta(hours=hours), status=status)
            for hours in range(20)
            for status in (200, 201, 404, 500)
        ),
    )

    with django_assert_num_queries(4):
        get_usage(subscriber=ALICE, subscription_id=subscription.pk)


def test_each_quota_counts_its_own_period():
    plan = make_plan(
        quotas=[
            {"name": "per-minute", "calls": 5, "period": "minute"},
            {"name": "per-day", "calls": 10, "period": "day", "overage": "throttle"},
            {"name": "per-year", "calls": 1000, "period": "year"},
        ]
    )
    subscription = make_subscription(plan=plan)
    now = timezone.now()
    _use(subscription, make_row(now, calls=3), make_row(now.replace(month=1, day=1, hour=0)))

    quotas = get_usage(subscriber=ALICE, subscription_id=subscription.pk).quotas

    is_new_year = (now.month, now.day) == (1, 1)
    assert [(row.name, row.used) for row in quotas] == [
        ("per-day", 4 if is_new_year else 3),
        ("per-year", 4),
    ]


def test_a_zone_that_is_no_more_does_not_break_the_page():
    plan = make_plan(timezone="Not/AZone", quotas=[{"calls": 10, "period": "day"}])
    subscription = make_subscription(plan=plan)

    (quota,) = get_usage(subscriber=ALICE, subscription_id=subscription.pk).quotas

    assert (quota.resets_at.hour, quota.resets_at.utcoffset()) == (0, timedelta())
