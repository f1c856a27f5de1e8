from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from ams.errors import NotFound
from ams.metering.models import UsageSource
from ams.metering.queries.get_metering_health import get_metering_health
from ams.metering.queries.get_reconciled_minute import get_reconciled_minute
from ams.metering.services.fold_usage_batches import fold_usage_batches
from ams.metering.services.forget_usage_source import forget_usage_source
from ams.metering.services.note_usage_report import note_usage_report
from ams.metering.services.store_usage_batch import store_usage_batch
from tests.factories.usage import make_batch, make_row
from wire.usage_report import MalformedReport, UsageReport, parse_report

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def report(node, until, **members):
    numbers = {"spool_bytes": 1, "calls_lost": 0, "segments_discarded": 0} | members
    note_usage_report(report=UsageReport(node, int(until.timestamp()), **numbers))


def after_noon(**delta):
    return NOON + timedelta(**delta)


def test_without_a_known_worker_nothing_is_reconciled():
    assert get_reconciled_minute() is None
    assert get_metering_health().lag_seconds == 0


def test_the_slowest_worker_decides_and_a_begun_minute_is_not_reconciled():
    report("n-0", after_noon(minutes=9, seconds=59))
    report("n-1", after_noon(minutes=5, seconds=1))

    assert get_reconciled_minute() == after_noon(minutes=4)


def test_a_minute_that_waits_to_be_folded_is_not_reconciled():
    report("n-0", after_noon(minutes=9))
    store_usage_batch(document=make_batch(make_row(NOON), make_row(after_noon(minutes=5))))

    assert get_reconciled_minute() == after_noon(minutes=-1)
    fold_usage_batches()
    assert get_reconciled_minute() == after_noon(minutes=8)


def test_imports_hold_nothing_up():
    report("n-0", after_noon(minutes=9))
    store_usage_batch(document=make_batch(make_row(after_noon(days=-90))), is_import=True)

    assert get_reconciled_minute() == after_noon(minutes=8)


def test_a_clock_that_is_ahead_reconciles_nothing_of_the_future():
    report("n-0", timezone.now() + timedelta(hours=1))

    assert get_reconciled_minute() <= timezone.now() - timedelta(minutes=1)


def test_a_later_report_takes_the_place_of_the_one_before_also_after_a_clock_stepped_back():
    report("n-0", after_noon(minutes=30))
    report("n-0", after_noon(minutes=10), spool_bytes=7, calls_lost=3)

    assert get_reconciled_minute() == after_noon(minutes=9)
    source = UsageSource.objects.get()
    assert (source.spool_bytes, source.calls_lost) == (7, 3)


def test_a_worker_that_left_or_is_forgotten_is_waited_for_no_more():
    for node, minutes in (("n-0", 3), ("n-1", 5), ("n-2", 9)):
        report(node, after_noon(minutes=minutes))

    note_usage_report(report=UsageReport("n-0", 0, 0, 0, 0, is_leaving=True))
    assert get_reconciled_minute() == after_noon(minutes=4)
    forget_usage_source(node="n-1")
    assert get_reconciled_minute() == after_noon(minutes=8)
    with pytest.raises(NotFound):
        forget_usage_source(node="n-1")


def test_lag_is_counted_from_the_end_of_the_reconciled_minute():
    report("n-0", timezone.now() - timedelta(minutes=10))

    assert 600 <= get_metering_health().lag_seconds < 665


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("node", ""),
        ("node", "a\0b"),
        ("node", "n" * 129),
        ("shipped_until", -1),
        ("shipped_until", 2**40),
        ("shipped_until", True),
        ("spool_bytes", "1"),
        ("calls_lost", None),
        ("segments_discarded", 2**63),
        ("is_leaving", 1),
    ],
)
def test_a_report_that_cannot_be_stored_is_refused_by_name(member, value):
    document = UsageReport("n-0", 1, 2, 3, 4).as_document()
    assert parse_report(document) == UsageReport("n-0", 1, 2, 3, 4)

    with pytest.raises(MalformedReport, match=member):
        parse_report(document | {member: value})
