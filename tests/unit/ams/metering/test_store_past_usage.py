from datetime import UTC, date, datetime

import pytest
from django.db.models import Sum

from ams.metering.models import DailyUsage, HourlyUsage, QuarantinedUsage, UsageBatchRecord
from ams.metering.services.fold_usage_batches import fold_usage_batches
from ams.metering.services.store_past_usage import store_past_usage

pytestmark = pytest.mark.django_db


def _store(**changes):
    arguments = {
        "subscription_id": "s1",
        "client_id": "c1",
        "plan_id": "p1",
        "api_id": "a1",
        "operations": ["list_orders", "get_order"],
        "month_start": date(2026, 2, 1),
        "calls_per_day": 200,
        "seed": 1,
    }
    return store_past_usage(**(arguments | changes))


def test_a_past_month_is_stored_once_and_folds_without_quarantine():
    assert [_store(), _store()] == [28, 0]

    fold_usage_batches()

    assert not QuarantinedUsage.objects.exists()
    assert DailyUsage.objects.values("date").distinct().count() == 28
    assert set(DailyUsage.objects.values_list("operation_id", flat=True)) == {
        "list_orders",
        "get_order",
    }
    assert {200, 404, 500} <= set(DailyUsage.objects.values_list("status", flat=True))
    assert {record.id.version for record in UsageBatchRecord.objects.all()} == {7}


def test_the_load_is_that_of_working_days():
    _store()
    fold_usage_batches()

    def total(**where):
        return HourlyUsage.objects.filter(**where).aggregate(Sum("calls"))["calls__sum"]

    assert 20 * 200 * 0.8 < total() < 28 * 200
    assert total(hour_at__hour__in=[9, 10, 14, 15]) > 4 * total(hour_at__hour__in=[1, 2, 3, 4])
    weekdays = DailyUsage.objects.filter(date__iso_week_day__lte=5).aggregate(Sum("calls"))
    assert weekdays["calls__sum"] > 0.8 * total()


def test_another_seed_is_another_pattern():
    _store(seed=1)
    first = [record.document["rows"] for record in UsageBatchRecord.objects.order_by("id")]

    assert _store(seed=2) == 28
    assert UsageBatchRecord.objects.count() == 56
    assert [record.document["rows"] for record in UsageBatchRecord.objects.all()] != first * 2


def test_only_days_that_are_over_are_stored():
    today = datetime.now(UTC).date()
    month_start = today.replace(day=1)

    assert _store(month_start=month_start) == (today - month_start).days
    assert _store(month_start=date(2199, 1, 1)) == 0
