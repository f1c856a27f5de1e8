import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from ams.billing import tasks
from ams.billing.models import Invoice, InvoiceLine
from ams.billing.services.close_period import close_period
from ams.billing.tasks import close_periods
from ams.metering.models import UsageBatchRecord
from ams.metering.services.note_usage_report import note_usage_report
from ams.metering.services.store_usage_batch import store_usage_batch
from tests.factories.usage import make_batch, make_plan, make_row, make_subscription
from wire.usage_report import UsageReport

pytestmark = pytest.mark.django_db

PER_CALL = {"kind": "per_call", "label": "Calls", "unit_price": "0.01"}


@pytest.fixture
def clock(monkeypatch):
    def set_to(moment):
        monkeypatch.setattr(timezone, "now", lambda: datetime.fromisoformat(moment))

    return set_to


def _use_last_hour_of_october(subscription, calls):
    row = make_row(
        datetime(2026, 10, 31, 23, 30, tzinfo=UTC), subscription_id=subscription.pk, calls=calls
    )
    store_usage_batch(document=make_batch(row), is_import=True)


def test_the_month_before_is_closed_with_the_usage_that_came_in_the_grace(clock):
    subscription = make_subscription(plan=make_plan(components=[PER_CALL]))
    _use_last_hour_of_october(subscription, 500)

    clock("2026-11-01T00:59:59Z")
    close_periods()
    assert not Invoice.objects.exists()

    clock("2026-11-01T01:00:00Z")
    close_periods()
    invoice = Invoice.objects.get()
    assert (invoice.period_start, invoice.total_minor) == (date(2026, 10, 1), 500)


@pytest.mark.parametrize(
    ("shipped_until", "is_warned"),
    [("2026-11-01T00:00:00Z", False), ("2026-10-31T23:59:59Z", True)],
)
def test_a_month_that_a_gateway_may_hold_usage_of_is_closed_with_a_warning(
    clock, caplog, shipped_until, is_warned
):
    make_subscription()
    until = int(datetime.fromisoformat(shipped_until).timestamp())
    note_usage_report(report=UsageReport("n-0", until, 0, 0, 0))
    clock("2026-11-01T02:00:00Z")

    close_periods()

    assert Invoice.objects.exists()
    assert ("reconciled up to" in caplog.text) == is_warned


def test_the_first_month_of_a_year_closes_the_last_one_before(clock):
    make_subscription()

    clock("2027-01-01T02:00:00Z")
    close_periods()

    assert Invoice.objects.get().period_start == date(2026, 12, 1)


def test_a_month_is_not_closed_while_its_usage_waits_to_be_folded(clock, monkeypatch, caplog):
    subscription = make_subscription(plan=make_plan(components=[PER_CALL]))
    _use_last_hour_of_october(subscription, 500)
    arrived_at = datetime(2026, 11, 1, 0, 30, tzinfo=UTC)
    UsageBatchRecord.objects.update(received_at=arrived_at)
    clock("2026-11-01T03:00:00Z")

    # Another worker holds the batches.
    with monkeypatch.context() as held:
        held.setattr(tasks, "fold_usage_batches", lambda: 0)
        with caplog.at_level(logging.WARNING):
            close_periods()
    assert not Invoice.objects.exists()
    assert "not closed" in caplog.text

    close_periods()
    assert Invoice.objects.get().total_minor == 500


def test_usage_that_arrives_after_the_grace_does_not_hold_the_close_up(clock, monkeypatch):
    subscription = make_subscription(plan=make_plan(components=[PER_CALL]))
    _use_last_hour_of_october(subscription, 500)
    UsageBatchRecord.objects.update(received_at=datetime(2026, 11, 1, 1, tzinfo=UTC) + timedelta(1))
    clock("2026-11-03T03:00:00Z")
    monkeypatch.setattr(tasks, "fold_usage_batches", lambda: 0)

    close_periods()

    assert Invoice.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_closing_twice_at_once_makes_each_invoice_once():
    plan = make_plan(components=[PER_CALL, PER_CALL | {"label": "More calls"}])
    for number in range(6):
        make_subscription(plan=plan, subject=f"person-{number}")

    def close(_):
        try:
            return close_period(period_start=date(2026, 10, 1))
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as closers:
        assert list(closers.map(close, range(3))) == [6, 6, 6]

    assert (Invoice.objects.count(), InvoiceLine.objects.count()) == (6, 12)
