from decimal import Decimal

import pytest

from ams import api
from ams.catalog.models import API, ConfigurationVersion
from ams.data import SubscriberRef
from ams.errors import InUse, InvalidFields, NotFound
from ams.plans.models import Plan
from ams.plans.queries.spec_of import spec_of_plan, spec_of_product
from ams.plans.services.delete_plan import delete_plan
from ams.plans.services.delete_product import delete_product
from ams.plans.services.save_plan import save_plan
from ams.plans.services.save_product import save_product
from ams.plans.specs import (
    BillableSpec,
    ComponentSpec,
    ProductSpec,
    QuotaSpec,
    RateLimitSpec,
    ThrottleSpec,
    TierSpec,
)
from tests.factories.catalog import make_plan, make_product, plan_spec

pytestmark = pytest.mark.django_db

FULL = {
    "timezone": "Europe/Berlin",
    "rate_limits": (
        RateLimitSpec(calls=10, window_seconds=1, burst=20),
        RateLimitSpec(
            name="each", calls=5, per="user", each_operation=True, operations=("get_order",)
        ),
        RateLimitSpec(name="one", calls=2, per="address", operations=("orders/list_orders",)),
        RateLimitSpec(name="client", calls=99, per="client"),
    ),
    "quotas": (
        QuotaSpec(calls=1000, period="day", overage="bill"),
        QuotaSpec(
            name="year",
            calls=50_000,
            period="year",
            overage="throttle",
            throttle=ThrottleSpec(calls=1, window_seconds=10),
        ),
    ),
    "billable": BillableSpec(statuses=("2xx", "404", "410-412"), causes=("client", "upstream")),
    "components": (
        ComponentSpec(kind="flat_fee", label="Fee", amount_minor=2900),
        ComponentSpec(
            kind="per_call", label="Calls", unit_price=Decimal("0.0000000001"), included_calls=5
        ),
        ComponentSpec(
            kind="graduated",
            label="More calls",
            tiers=(
                TierSpec(up_to=1000, unit_price=Decimal(100)),
                TierSpec(unit_price=Decimal("0.5")),
            ),
        ),
    ),
}


QUOTA = (QuotaSpec(calls=10),)
SLOW_DOWN_TO_ONE_A_SECOND = (
    QuotaSpec(calls=10, overage="throttle", throttle=ThrottleSpec(calls=1, window_seconds=1)),
)


def problems_of(spec):
    with pytest.raises(InvalidFields) as caught:
        save_plan(spec=spec)
    return {problem.name for problem in caught.value.problems}


def test_saved_plan_reads_back_as_it_was_written():
    plan = make_plan(**FULL)

    assert spec_of_plan(Plan.objects.get(pk=plan.pk)) == plan_spec(**FULL)


def test_spelling_of_earlier_releases_is_a_list_of_one():
    limit, quota = RateLimitSpec(calls=10, burst=20), QuotaSpec(calls=1000)

    plan = make_plan(rate_limit=limit, quota=quota)

    assert spec_of_plan(plan) == plan_spec(rate_limits=(limit,), quotas=(quota,))


def test_saving_again_replaces_the_price():
    plan = make_plan(**FULL)

    save_plan(spec=plan_spec(), plan_id=plan.pk)

    assert spec_of_plan(Plan.objects.get()) == plan_spec()


def test_product_reads_back_as_it_was_written():
    assert spec_of_product(make_product()) == ProductSpec(
        slug="orders", name="Orders", apis=("orders",)
    )


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"currency": "euro"}, "currency"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": "../etc/passwd"}, "timezone"),
        ({"product": "none"}, "product"),
        ({"slug": "A b"}, "slug"),
        ({"name": " "}, "name"),
        *(
            ({"rate_limits": (RateLimitSpec(**{"calls": 1} | change),)}, f"rate_limits[0].{field}")
            for change, field in [
                ({"calls": 0}, "calls"),
                ({"calls": 2**31}, "calls"),
                ({"window_seconds": 0}, "window_seconds"),
                ({"window_seconds": 86_401}, "window_seconds"),
                ({"burst": 0}, "burst"),
                ({"per": "planet"}, "per"),
                ({"name": "A b"}, "name"),
                ({"operations": ("get_ordr",)}, "operations[0]"),
                ({"operations": ("get_order", "get_order")}, "operations[1]"),
            ]
        ),
        *(
            ({"quotas": (QuotaSpec(**{"calls": 1} | change),)}, f"quotas[0].{field}")
            for change, field in [
                ({"calls": -1}, "calls"),
                ({"calls": 2**63}, "calls"),
                ({"period": "decade"}, "period"),
                ({"overage": "ignore"}, "overage"),
                ({"overage": "throttle"}, "throttle"),
                ({"throttle": ThrottleSpec(calls=1)}, "throttle"),
                ({"overage": "throttle", "throttle": ThrottleSpec(calls=0)}, "throttle.calls"),
                (
                    {"overage": "throttle", "throttle": ThrottleSpec(calls=1, window_seconds=0)},
                    "throttle.window_seconds",
                ),
            ]
        ),
        # Each fine by itself, but not together.
        (
            {
                "rate_limits": tuple(
                    RateLimitSpec(name=f"r{at}", calls=1, window_seconds=at + 1) for at in range(9)
                )
            },
            "rate_limits",
        ),
        (
            {"rate_limits": (RateLimitSpec(calls=1), RateLimitSpec(calls=1, window_seconds=1))},
            "rate_limits[1].name",
        ),
        (
            {"rate_limits": (RateLimitSpec(calls=1), RateLimitSpec(name="b", calls=2))},
            "rate_limits[1].window_seconds",
        ),
        (
            {"rate_limits": (RateLimitSpec(name="quota", calls=1),), "quotas": QUOTA},
            "quotas[0].name",
        ),
        ({"quotas": (*QUOTA, QuotaSpec(name="b", calls=20))}, "quotas[1].period"),
        ({"quotas": (*QUOTA, QuotaSpec(name="b", calls=11, period="day"))}, "quotas[1].calls"),
        (
            {"rate_limits": (RateLimitSpec(calls=60),), "quotas": SLOW_DOWN_TO_ONE_A_SECOND},
            "quotas[0].throttle.calls",
        ),
        ({"rate_limit": RateLimitSpec(calls=0)}, "rate_limits[0].calls"),
        (
            {"rate_limit": RateLimitSpec(calls=1), "rate_limits": (RateLimitSpec(calls=1),)},
            "rate_limit",
        ),
        ({"quota": QuotaSpec(calls=1), "quotas": QUOTA}, "quota"),
        ({"billable": BillableSpec(statuses=("2xx", "6xx"))}, "billable.statuses[1]"),
        ({"billable": BillableSpec(statuses=("404-400",))}, "billable.statuses[0]"),
        ({"billable": BillableSpec(statuses=("200",) * 21)}, "billable.statuses"),
        ({"billable": BillableSpec(causes=("api",))}, "billable.causes[0]"),
        ({"billable": BillableSpec(causes=("client", "client"))}, "billable.causes[1]"),
    ],
)
def test_unusable_plan_is_refused_by_field(changes, field):
    make_product()

    assert problems_of(plan_spec(**changes)) == {field}


def tiers(*rows):
    return {
        "kind": "graduated",
        "tiers": tuple(TierSpec(up_to=up_to, unit_price=Decimal(price)) for up_to, price in rows),
    }


@pytest.mark.parametrize(
    ("component", "field"),
    [
        ({"kind": "free"}, "kind"),
        ({"kind": "flat_fee"}, "amount_minor"),
        ({"kind": "flat_fee", "amount_minor": -1}, "amount_minor"),
        ({"kind": "flat_fee", "amount_minor": 1, "unit_price": Decimal(1)}, "unit_price"),
        ({"kind": "per_call"}, "unit_price"),
        ({"kind": "per_call", "unit_price": Decimal(-1)}, "unit_price"),
        ({"kind": "per_call", "unit_price": Decimal("NaN")}, "unit_price"),
        ({"kind": "per_call", "unit_price": Decimal("Infinity")}, "unit_price"),
        ({"kind": "per_call", "unit_price": Decimal("1e-11")}, "unit_price"),
        ({"kind": "per_call", "unit_price": Decimal(1), "included_calls": -1}, "included_calls"),
        ({"kind": "graduated"}, "tiers"),
        (tiers((10, 1)), "tiers[0].up_to"),
        (tiers((10, 1), (10, 1), (None, 1)), "tiers[1].up_to"),
        (tiers((None, 1), (None, 1)), "tiers[0].up_to"),
        (tiers((0, 1), (None, 1)), "tiers[0].up_to"),
        (tiers((None, -1)), "tiers[0].unit_price"),
    ],
)
def test_price_that_cannot_be_rated_is_refused_by_field(component, field):
    make_product()
    spec = ComponentSpec(**({"label": "x"} | component))

    assert problems_of(plan_spec(components=(spec,))) == {f"components[0].{field}"}


def test_plan_slug_is_unique_within_its_product_only():
    make_plan()
    save_product(spec=ProductSpec(slug="other", name="Other"))

    assert problems_of(plan_spec()) == {"slug"}
    assert save_plan(spec=plan_spec(product="other")).product.slug == "other"


def test_product_of_unknown_apis_is_refused_with_a_proposal():
    make_product()

    with pytest.raises(InvalidFields, match=r"apis\[0\]: .*Did you mean 'orders'"):
        save_product(spec=ProductSpec(slug="b", name="B", apis=("order",)))


def test_plan_with_a_history_is_kept():
    plan = make_plan()
    api.subscribe_to_plan(
        subscriber=SubscriberRef("s"), client_id="c", application_name="", plan_id=plan.pk
    )
    api.cancel_client_subscriptions(client_id="c")

    with pytest.raises(InUse, match="unpublish"):
        delete_plan(plan_id=plan.pk)
    with pytest.raises(InUse, match="unpublish"):
        delete_product(product_id=plan.product_id)
    assert Plan.objects.exists()


def test_plan_without_history_goes_with_its_product_and_raises_the_version():
    plan = make_plan()
    before = ConfigurationVersion.objects.get().version

    delete_product(product_id=plan.product_id)

    assert not Plan.objects.exists()
    assert ConfigurationVersion.objects.get().version == before + 1


def test_catalog_shows_published_things_only():
    make_plan(**FULL)
    save_plan(spec=plan_spec(slug="hidden", is_published=False))
    save_product(spec=ProductSpec(slug="secret", name="Secret", is_published=False))

    (product,) = api.list_products()

    assert product.slug == "orders"
    assert [plan.slug for plan in product.plans] == ["free"]
    assert [row.slug for row in product.apis] == ["orders"]
    assert not product.plans[0].is_free
    assert product.plans[0].components[2].tiers == ((1000, Decimal(100)), (None, Decimal("0.5")))
    with pytest.raises(NotFound):
        api.get_product(slug="secret")


def test_api_out_of_service_is_not_shown():
    make_product()
    API.objects.update(state="retired")

    assert api.get_product(slug="orders").apis == ()
    with pytest.raises(NotFound):
        api.get_api(slug="orders")


@pytest.mark.parametrize(
    ("search", "count"), [("", 1), ("ORD", 1), ("ord ers", 1), ("x", 0), ("\x00", 1), ("%", 0)]
)
def test_catalog_is_searched_by_every_word(search, count):
    make_product()

    assert len(api.list_products(search=search)) == count


def test_listing_many_products_takes_a_fixed_number_of_statements(django_assert_max_num_queries):
    make_plan()
    for number in range(5):
        save_product(spec=ProductSpec(slug=f"p{number}", name=f"P{number}", apis=("orders",)))
        save_plan(spec=plan_spec(product=f"p{number}"))

    with django_assert_max_num_queries(8):
        assert len(api.list_products()) == 6


def test_free_means_that_nothing_can_cost():
    make_plan(components=(ComponentSpec(kind="per_call", label="x", unit_price=Decimal(0)),))

    assert api.get_product(slug="orders").plans[0].is_free
