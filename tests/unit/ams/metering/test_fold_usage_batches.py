import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from ams.metering.models import DailyUsage, HourlyUsage, QuarantinedUsage, UsageBatchRecord
from ams.metering.services.fold_usage_batches import fold_usage_batches
from ams.metering.services.store_usage_batch import store_usage_batch
from tests.factories.usage import make_batch, make_row

pytestmark = pytest.mark.django_db


def _now() -> datetime:
    return timezone.now()


def test_rows_of_one_key_and_hour_add_up_over_batches():
    at = _now().replace(minute=5)
    at = min(at, _now())
    store_usage_batch(document=make_batch(make_row(at, calls=2, latency_ms=30)))
    store_usage_batch(
        document=make_batch(make_row(at, calls=3, latency_ms=12), make_row(at, status=404))
    )

    assert fold_usage_batches() == 2

    hourly = HourlyUsage.objects.get(status=200)
    assert (hourly.calls, hourly.latency_ms, hourly.request_bytes) == (5, 42, 20)
    assert hourly.hour_at == at.replace(minute=0, second=0, microsecond=0)
    daily = DailyUsage.objects.get(status=404)
    assert (daily.calls, daily.date) == (1, at.astimezone(UTC).date())


def test_causes_are_counted_apart_and_guessed_where_none_is_told():
    store_usage_batch(
        document=make_batch(
            make_row(_now(), status=404, cause="upstream", calls=2),
            make_row(_now(), status=404, cause="client", calls=3),
            *(make_row(_now(), status=status) for status in (200, 404, 499, 502)),
        )
    )
    without = make_batch(*(make_row(_now(), status=status) for status in (200, 404, 502)))
    UsageBatchRecord.objects.create(id=without["id"], node="n", document=without)

    fold_usage_batches()

    found = HourlyUsage.objects.order_by("status", "cause")
    assert list(found.values_list("status", "cause", "calls")) == [
        (200, "upstream", 2),
        (404, "client", 5),
        (404, "upstream", 2),
        (499, "client", 1),
        (502, "gateway", 2),
    ]


def test_folding_again_adds_nothing():
    store_usage_batch(document=make_batch(make_row(_now(), calls=4)))

    assert [fold_usage_batches(), fold_usage_batches()] == [1, 0]

    assert HourlyUsage.objects.get().calls == DailyUsage.objects.get().calls == 4


def test_minutes_fall_into_the_hour_and_the_day_of_utc():
    late_evening = (_now() - timedelta(days=2)).replace(hour=23, minute=59, second=0, microsecond=0)
    store_usage_batch(
        document=make_batch(make_row(late_evening), make_row(late_evening + timedelta(minutes=1)))
    )

    fold_usage_batches()

    assert sorted(HourlyUsage.objects.values_list("hour_at__hour", flat=True)) == [0, 23]
    assert DailyUsage.objects.count() == 2


def test_limit_leaves_the_newer_batches_for_the_next_round():
    for _ in range(3):
        store_usage_batch(document=make_batch(make_row(_now())))

    assert [fold_usage_batches(limit=2), fold_usage_batches(limit=2)] == [2, 1]
    assert HourlyUsage.objects.get().calls == 3


def test_an_empty_batch_is_folded_and_gone():
    store_usage_batch(document=make_batch())

    assert fold_usage_batches() == 1
    assert UsageBatchRecord.objects.get().folded_at is not None


@pytest.mark.parametrize(
    ("age", "reason"),
    [(timedelta(days=35, minutes=2), "late"), (timedelta(minutes=-7), "future")],
)
def test_a_row_outside_the_accepted_time_is_kept_in_quarantine_only(age, reason):
    at = _now()
    store_usage_batch(document=make_batch(make_row(at - age, calls=9), make_row(at, calls=1)))

    fold_usage_batches()

    quarantined = QuarantinedUsage.objects.get()
    assert (quarantined.reason, quarantined.row["calls"]) == (reason, 9)
    assert HourlyUsage.objects.get().calls == DailyUsage.objects.get().calls == 1


@pytest.mark.parametrize("age", [timedelta(days=34, hours=23), timedelta(minutes=-4)])
def test_a_row_just_inside_the_accepted_time_counts(age):
    store_usage_batch(document=make_batch(make_row(_now() - age)))

    fold_usage_batches()

    assert HourlyUsage.objects.count() == 1
    assert not QuarantinedUsage.objects.exists()


def test_an_import_may_be_old_but_not_from_the_future():
    document = make_batch(
        make_row(_now() - timedelta(days=90)), make_row(_now() + timedelta(hours=1))
    )
    store_usage_batch(document=document, is_import=True)

    fold_usage_batches()

    assert HourlyUsage.objects.count() == 1
    assert QuarantinedUsage.objects.get().reason == "future"


@pytest.mark.django_db(transaction=True)
def test_a_failure_at_any_statement_leaves_the_batch_for_a_clean_replay():
    store_usage_batch(
        document=make_batch(make_row(_now(), calls=7), make_row(_now() - timedelta(days=99)))
    )

    for statement_number in range(1, 6):
        with pytest.raises(DatabaseError), connection.execute_wrapper(_fail_at(statement_number)):
            fold_usage_batches()
        assert not HourlyUsage.objects.exists()
        assert not DailyUsage.objects.exists()
        assert not QuarantinedUsage.objects.exists()

    assert fold_usage_batches() == 1
    assert (HourlyUsage.objects.get().calls, QuarantinedUsage.objects.count()) == (7, 1)


def _fail_at(number):
    seen = 0

    def wrapper(execute, sql, params, many, context):
        nonlocal seen
        seen += 1
        if seen == number:
            raise DatabaseError("The server went away.")
        return execute(sql, params, many, context)

    return wrapper


@pytest.mark.django_db(transaction=True)
def test_a_batch_that_another_folder_holds_is_left_to_it():
    store_usage_batch(document=make_batch(make_row(_now())))
    held, done = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            list(UsageBatchRecord.objects.select_for_update())
            held.set()
            done.wait(30)
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(30)
    try:
        assert fold_usage_batches() == 0
    finally:
        done.set()
        holder.join()
    assert fold_usage_batches() == 1


@pytest.mark.django_db(transaction=True)
def test_folders_side_by_side_count_every_batch_once_and_never_deadlock():
    chance = random.Random(7)  # noqa: S311 - an order, not a secret
    keys = [f"s{number}" for number in range(12)]
    expected = 0
    for _ in range(60):
        chance.shuffle(keys)
        rows = [make_row(_now(), subscription_id=key, calls=chance.randint(1, 9)) for key in keys]
        expected += sum(row["calls"] for row in rows)
        store_usage_batch(document=make_batch(*rows))

    def fold_until_empty(_):
        folded = 0
        while UsageBatchRecord.objects.filter(folded_at=None).exists():
            folded += fold_usage_batches(limit=3)
        connection.close()
        return folded

    with ThreadPoolExecutor(4) as folders:
        folded = sum(folders.map(fold_until_empty, range(4)))

    assert folded == 60
    assert sum(HourlyUsage.objects.values_list("calls", flat=True)) == expected
    assert sum(DailyUsage.objects.values_list("calls", flat=True)) == expected
