import uuid
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from django.db.models import Sum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ams.billing.models import Invoice, InvoiceLine
from ams.billing.queries.estimate_period import estimate_period
from ams.billing.queries.get_invoice import get_invoice
from ams.billing.queries.list_invoices import list_invoices
from ams.billing.services.close_period import close_period
from ams.billing.services.finalize_invoice import finalize_invoice
from ams.billing.services.void_invoice import void_invoice
from ams.data import SubscriberRef
from ams.errors import InvalidDocument, InvalidTransition, NotFound
from ams.metering.models import DailyUsage
from ams.plans.models import PriceComponent
from tests.factories.usage import make_plan, make_subscription

pytestmark = pytest.mark.django_db

OCTOBER = date(2026, 10, 1)
ALICE = SubscriberRef(subject="alice")
FLAT = {"kind": "flat_fee", "label": "Base fee", "amount_minor": 4900}
PER_CALL = {"kind": "per_call", "label": "Calls", "unit_price": "0.0015", "included_calls": 100}
GRADUATED = {
    "kind": "graduated",
    "label": "Calls",
    "tiers": [{"up_to": 1000, "unit_price": "0.002"}, {"up_to": None, "unit_price": "0.001"}],
}


def _use(subscription, calls, *, day=date(2026, 10, 15), status=200, cause="upstream"):
    DailyUsage.objects.create(
        date=day, subscription_id=str(subscription.pk), status=status, cause=cause, calls=calls
    )


def _lines(invoice):
    return list(invoice.lines.values_list("description", "quantity", "unit_price", "amount_minor"))


def test_a_line_for_each_component_and_each_tier_used():
    plan = make_plan(components=[FLAT, PER_CALL, GRADUATED])
    _use(make_subscription(plan=plan), 1500)

    assert close_period(period_start=OCTOBER) == 1

    invoice = Invoice.objects.get()
    assert _lines(invoice) == [
        (f"{plan}: Base fee", 1, None, 4900),
        (f"{plan}: Calls (100 included)", 1400, Decimal("0.0015"), 210),
        (f"{plan}: Calls, 1 to 1,000", 1000, Decimal("0.002"), 200),
        (f"{plan}: Calls, from 1,001", 500, Decimal("0.001"), 50),
    ]
    assert (invoice.total_minor, invoice.status) == (5360, "draft")
    assert (invoice.period_start, invoice.period_end) == (OCTOBER, date(2026, 11, 1))


@pytest.mark.parametrize(
    ("rule", "billed"),
    [
        ({}, {"upstream": {101, 200, 304, 404, 429}}),
        ({"billable_statuses": ["2xx"]}, {"upstream": {200}}),
        ({"billable_statuses": ["200", "400-404", "502"]}, {"upstream": {200, 404, 502}}),
        ({"billable_causes": ["client"]}, {"client": {404, 429, 499}}),
        (
            {"billable_statuses": ["5xx", "429"], "billable_causes": ["gateway", "client"]},
            {"client": {429}, "gateway": {502, 504}},
        ),
        ({"billable_statuses": []}, {}),
        ({"billable_causes": []}, {}),
    ],
)
def test_calls_are_billed_by_the_plans_rule(rule, billed):
    price = PER_CALL | {"included_calls": 0, "unit_price": "1"}
    subscription = make_subscription(plan=make_plan(components=[price], **rule))
    happened = {
        "upstream": (101, 200, 304, 404, 429, 500, 502),
        "client": (0, 404, 429, 499),
        "gateway": (502, 504),
    }
    weights = {}
    for cause, statuses in happened.items():
        for status in statuses:
            weights[cause, status] = 1 << len(weights)  # so that the sum names its parts
            _use(subscription, weights[cause, status], status=status, cause=cause)

    close_period(period_start=OCTOBER)

    line = Invoice.objects.get().lines.get()
    wanted = sum(weights[cause, status] for cause in billed for status in billed[cause])
    assert line.quantity == wanted
    assert line.component["billable"] == {
        "statuses": subscription.plan.billable_statuses,
        "causes": subscription.plan.billable_causes,
    }


def test_only_calls_of_that_month_and_of_the_own_subscription_are_billed():
    price = PER_CALL | {"included_calls": 0, "unit_price": "1"}
    subscription = make_subscription(plan=make_plan(components=[price]))
    _use(make_subscription(subject="bob"), 1000)
    for calls, day in ((50, date(2026, 9, 30)), (4, date(2026, 10, 31)), (50, date(2026, 11, 1))):
        _use(subscription, calls, day=day)

    close_period(period_start=OCTOBER)

    mine = Invoice.objects.get(subscriber__subject="alice")
    assert mine.lines.get().quantity == 4
    assert estimate_period(subscriber=ALICE, period_start=OCTOBER)[0].lines[0].quantity == 4


def test_a_month_that_costs_nothing_has_an_invoice_too():
    _use(make_subscription(plan=make_plan()), 7)

    close_period(period_start=OCTOBER)

    line = Invoice.objects.get(total_minor=0).lines.get()
    assert (line.quantity, line.amount_minor, line.component) == (7, 0, {"kind": "free"})


def test_each_subscriber_has_one_invoice_for_each_currency():
    euro, yen = make_plan(components=[FLAT]), make_plan(components=[FLAT], currency="JPY")
    for subject, plan in [("alice", euro), ("alice", euro), ("alice", yen), ("bob", euro)]:
        make_subscription(subject=subject, plan=plan)

    assert close_period(period_start=OCTOBER) == 3

    totals = Invoice.objects.order_by("subscriber__subject", "currency")
    assert list(totals.values_list("subscriber__subject", "currency", "total_minor")) == [
        ("alice", "EUR", 9800),
        ("alice", "JPY", 4900),
        ("bob", "EUR", 4900),
    ]


@pytest.mark.parametrize(
    ("activated", "ended", "is_billed"),
    [
        ("2026-10-31T23:59Z", None, True),
        ("2026-11-01T00:00Z", None, False),
        ("2026-01-01T00:00Z", "2026-10-01T00:00Z", True),
        ("2026-01-01T00:00Z", "2026-09-30T23:59Z", False),
    ],
)
def test_the_fee_is_for_subscriptions_active_in_the_month(activated, ended, is_billed):
    make_subscription(
        plan=make_plan(components=[FLAT]),
        activated_at=datetime.fromisoformat(activated),
        ended_at=ended and datetime.fromisoformat(ended),
    )

    assert close_period(period_start=OCTOBER) == is_billed


def test_a_subscription_that_was_never_approved_costs_nothing():
    make_subscription(plan=make_plan(components=[FLAT]), status="pending", activated_at=None)

    assert close_period(period_start=OCTOBER) == 0


def test_closing_again_keeps_the_same_rows():
    _use(make_subscription(plan=make_plan(components=[FLAT, GRADUATED])), 1500)
    close_period(period_start=OCTOBER)
    invoices, lines = list(Invoice.objects.values()), list(InvoiceLine.objects.values())

    assert close_period(period_start=OCTOBER) == 1

    assert list(Invoice.objects.values()) == invoices
    assert list(InvoiceLine.objects.values()) == lines


def test_closing_again_brings_late_usage_into_the_draft():
    subscription = make_subscription(plan=make_plan(components=[GRADUATED]))
    _use(subscription, 1000)
    close_period(period_start=OCTOBER)
    _use(subscription, 500, day=date(2026, 10, 31))

    close_period(period_start=OCTOBER)

    assert Invoice.objects.get().total_minor == 250
    assert InvoiceLine.objects.count() == 2


def test_a_draft_that_no_subscription_stands_behind_becomes_empty():
    plan = make_plan(components=[FLAT])
    make_subscription(plan=plan)
    close_period(period_start=OCTOBER)
    plan.currency = "USD"
    plan.save()

    close_period(period_start=OCTOBER)

    assert list(Invoice.objects.order_by("currency").values_list("currency", "total_minor")) == [
        ("EUR", 0),
        ("USD", 4900),
    ]
    assert not InvoiceLine.objects.filter(invoice__currency="EUR").exists()


def test_a_line_keeps_the_price_it_was_rated_with():
    make_subscription(plan=make_plan(components=[FLAT]))
    close_period(period_start=OCTOBER)
    finalize_invoice(invoice_id=Invoice.objects.get().pk)
    PriceComponent.objects.update(amount_minor=9900)

    assert close_period(period_start=OCTOBER) == 0

    line = InvoiceLine.objects.get()
    assert (line.amount_minor, line.component["amount_minor"]) == (4900, 4900)


@pytest.mark.parametrize(
    "component",
    [
        {"kind": "flat_fee", "label": "Broken"},
        {"kind": "graduated", "label": "Broken", "tiers": []},
        {"kind": "graduated", "label": "Broken", "tiers": [{"up_to": 5, "unit_price": "1"}]},
        {"kind": "graduated", "label": "Broken", "tiers": [{"up_to": None, "unit_price": "NaN"}]},
        {"kind": "graduated", "label": "Broken", "tiers": [{"up_to": None, "unit_price": "x"}]},
        {
            "kind": "graduated",
            "label": "Broken",
            "tiers": [
                {"up_to": 9, "unit_price": "1"},
                {"up_to": 9, "unit_price": "1"},
                {"up_to": None, "unit_price": "1"},
            ],
        },
    ],
)
def test_an_unusable_price_is_named_and_stops_nobody_elses_invoice(component):
    broken = make_plan(components=[component])
    make_subscription(plan=broken, subject="bob")
    make_subscription(plan=make_plan(components=[FLAT]), subject="alice")

    with pytest.raises(InvalidDocument, match="Broken") as raised:
        close_period(period_start=OCTOBER)

    assert str(broken) in str(raised.value)
    assert Invoice.objects.get().subscriber.subject == "alice"


def test_a_period_starts_on_the_first():
    with pytest.raises(ValueError, match="first of a month"):
        close_period(period_start=date(2026, 10, 2))


def test_a_finalized_invoice_is_voided_once_and_gets_a_successor():
    make_subscription(plan=make_plan(components=[FLAT]))
    close_period(period_start=OCTOBER)
    first = Invoice.objects.get()

    with pytest.raises(InvalidTransition, match="draft"):
        void_invoice(invoice_id=first.pk)
    finalize_invoice(invoice_id=first.pk)
    with pytest.raises(InvalidTransition, match="finalized"):
        finalize_invoice(invoice_id=first.pk)
    void_invoice(invoice_id=first.pk)
    with pytest.raises(InvalidTransition, match="voided"):
        void_invoice(invoice_id=first.pk)

    assert close_period(period_start=OCTOBER) == 1
    assert sorted(Invoice.objects.values_list("status", "total_minor")) == [
        ("draft", 4900),
        ("voided", 4900),
    ]


def test_a_month_that_is_not_over_cannot_be_finalized():
    month = datetime.now(UTC).date().replace(day=1)
    make_subscription(plan=make_plan(components=[FLAT]))
    close_period(period_start=month)

    with pytest.raises(InvalidTransition, match="not over"):
        finalize_invoice(invoice_id=Invoice.objects.get().pk)


def test_unknown_invoices_are_told_apart_from_wrong_states():
    for service in (finalize_invoice, void_invoice):
        with pytest.raises(NotFound):
            service(invoice_id=uuid.uuid4())


@pytest.mark.parametrize(
    "change",
    [
        lambda invoice: Invoice.objects.filter(pk=invoice.pk).update(total_minor=1),
        lambda invoice: Invoice.objects.filter(pk=invoice.pk).update(status="draft"),
        lambda invoice: Invoice.objects.filter(pk=invoice.pk).update(
            status="voided", total_minor=1
        ),
        lambda invoice: invoice.lines.update(amount_minor=1),
        lambda invoice: invoice.lines.all().delete(),
        lambda invoice: InvoiceLine.objects.create(
            invoice=invoice,
            subscription=invoice.lines.get().subscription,
            position=9,
            quantity=1,
            amount_minor=1,
        ),
        lambda invoice: invoice.delete(),
    ],
)
def test_the_database_itself_refuses_to_change_a_finalized_invoice(change):
    make_subscription(plan=make_plan(components=[FLAT]))
    close_period(period_start=OCTOBER)
    invoice = finalize_invoice(invoice_id=Invoice.objects.get().pk)

    with pytest.raises(IntegrityError, match="never change"), transaction.atomic():
        change(invoice)


def test_a_draft_may_be_deleted():
    make_subscription(plan=make_plan(components=[FLAT]))
    close_period(period_start=OCTOBER)

    Invoice.objects.get().delete()

    assert not InvoiceLine.objects.exists()


def test_subscribers_see_their_own_invoices_only(django_assert_num_queries):
    plan = make_plan(components=[FLAT])
    for subject in ("alice", "bob"):
        make_subscription(subject=subject, plan=plan)
    close_period(period_start=OCTOBER)
    close_period(period_start=date(2026, 9, 1))

    with django_assert_num_queries(2):
        newest, oldest = list_invoices(subscriber=ALICE)

    assert (newest.period_start, oldest.period_start) == (OCTOBER, date(2026, 9, 1))
    assert [line.amount_minor for line in newest.lines] == [4900]
    assert get_invoice(subscriber=ALICE, invoice_id=newest.id) == newest
    with pytest.raises(NotFound):
        get_invoice(subscriber=SubscriberRef(subject="bob"), invoice_id=newest.id)


def test_statements_for_rating_do_not_grow_with_subscriptions(django_assert_num_queries):
    plans = [make_plan(components=[FLAT, GRADUATED]) for _ in range(3)]
    for number in range(9):
        make_subscription(plan=plans[number % 3])

    with django_assert_num_queries(3):
        (estimate,) = estimate_period(subscriber=ALICE, period_start=OCTOBER)

    assert estimate.total_minor == 9 * 4900


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    calls=st.lists(st.integers(0, 10_000_000), min_size=1, max_size=3),
    unit_price=st.decimals(min_value=0, max_value=1, places=10),
    currency=st.sampled_from(["EUR", "JPY", "KWD"]),
)
def test_an_estimate_is_the_invoice_and_its_total_the_sum_of_its_lines(
    db, calls, unit_price, currency
):
    with transaction.atomic():
        components = [FLAT, GRADUATED, PER_CALL | {"unit_price": unit_price}]
        for count in calls:
            subscription = make_subscription(
                plan=make_plan(components=components, currency=currency)
            )
            _use(subscription, count)

        (estimate,) = estimate_period(subscriber=ALICE, period_start=OCTOBER)
        close_period(period_start=OCTOBER)
        close_period(period_start=OCTOBER)

        (invoice,) = list_invoices(subscriber=ALICE)
        assert (invoice.lines, invoice.total_minor) == (estimate.lines, estimate.total_minor)
        assert (
            invoice.total_minor
            == InvoiceLine.objects.aggregate(Sum("amount_minor"))["amount_minor__sum"]
        )
        transaction.set_rollback(True)
