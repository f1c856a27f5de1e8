import uuid
from decimal import Decimal

from ams.data import PlanData, PlanQuotaData, PriceComponentData, RateLimitData
from portal.plan_words import describe_plan


def component(kind, **changes):
    values = {
        "kind": kind,
        "label": "Calls",
        "amount_minor": None,
        "unit_price": None,
        "included_calls": 0,
        "tiers": (),
    }
    return PriceComponentData(**(values | changes))


def plan(*components, **changes):
    values = {
        "id": uuid.uuid4(),
        "slug": "plan",
        "name": "Plan",
        "description": "",
        "product_slug": "orders",
        "product_name": "Orders",
        "requires_approval": False,
        "currency": "EUR",
        "rate_limits": (),
        "quotas": (),
        "components": components,
        "is_free": not components,
    }
    return PlanData(**(values | changes))


FEE = component("flat_fee", label="Base fee", amount_minor=2900)
PER_CALL = component("per_call", unit_price=Decimal("0.002"), included_calls=10_000)
TIERS = component("graduated", tiers=((10_000, Decimal("0.002")), (None, Decimal("0.001"))))


def test_free_plan_says_so():
    assert describe_plan(plan()).headline == "Free"


def test_single_fee_is_the_headline_and_not_said_twice():
    words = describe_plan(plan(FEE, PER_CALL))

    assert (words.headline, words.unit) == ("€29.00", "per month, plus usage")
    assert words.lines == ("First 10,000 calls included", "Then €0.002 per call")


def test_several_fees_are_added_up_and_listed():
    words = describe_plan(plan(FEE, component("flat_fee", label="Support", amount_minor=1000)))

    assert (words.headline, words.unit) == ("€39.00", "per month")
    assert words.lines == ("Base fee: €29.00 per month", "Support: €10.00 per month")


def test_graduated_tiers_name_their_calls():
    words = describe_plan(plan(TIERS))

    assert (words.headline, words.unit) == ("from €0.001", "per call")
    assert words.lines == ("Calls 1 to 10,000: €0.002 each", "Above 10,000 calls: €0.001 each")


def rate_limit(calls, seconds, **changes):
    values = {"name": "rate", "burst": None, "per": "subscription", "each_operation": False}
    return RateLimitData(
        calls=calls, window_seconds=seconds, **(values | {"operations": ()} | changes)
    )


def quota(calls, period, overage="block", throttle=(None, None)):
    return PlanQuotaData("quota", calls, period, overage, *throttle)


def test_limits_are_in_plain_words():
    words = describe_plan(
        plan(
            rate_limits=(
                rate_limit(100, 1, burst=200),
                rate_limit(5, 90, per="user"),
                rate_limit(1, 60, per="address", operations=("orders/create_order",)),
                rate_limit(10, 86_400, burst=10, each_operation=True),
            ),
            quotas=(
                quota(1000, "month", "bill"),
                quota(50, "day"),
                quota(20, "hour", "throttle", (1, 60)),
            ),
            requires_approval=True,
        )
    )

    assert words.limits == (
        "100 calls per second, bursts of 200",
        "5 calls per 90 seconds for each of your users",
        "1 call per minute from one address, for orders/create_order",
        "10 calls per 24 hours, for each operation",
        "1,000 calls per month, then billed per call",
        "50 calls per day, then calls stop",
        "20 calls per hour, then 1 call per minute",
    )
    assert words.approval == "Approved by the API team first"


def test_what_is_billed_is_said_where_something_costs():
    rule = {
        "billable_statuses": (range(200, 300), range(404, 405)),
        "billable_causes": ("upstream",),
    }

    assert describe_plan(plan(PER_CALL, **rule)).billed == (
        "Billed are answers of the API with status 200 to 299, 404"
    )
    assert describe_plan(plan(**rule)).billed == ""
    assert describe_plan(plan(PER_CALL)).billed == "No call is billed"


def test_a_plan_without_limits_says_so():
    assert describe_plan(plan()).limits == ("No rate limit", "No quota")
