from decimal import Decimal, localcontext

from hypothesis import given
from hypothesis import strategies as st

from ams.billing.currencies import get_exponent, round_to_minor
from ams.billing.pricing.flat_fee import price_flat_fee
from ams.billing.pricing.graduated import price_tiers
from ams.billing.pricing.per_call import price_calls

PRICES = st.decimals(min_value=0, max_value=10, places=10)
CURRENCIES = st.sampled_from(["EUR", "JPY", "KWD"])


@st.composite
def tiers(draw):
    ends = sorted(draw(st.sets(st.integers(1, 300), max_size=4)))
    return [(end, draw(PRICES)) for end in [*ends, None]]


def _price_of_call(number, ladder):
    """The price of the `number`-th call (from 1), looked up for itself."""
    return next(price for up_to, price in ladder if up_to is None or number <= up_to)


@given(calls=st.integers(0, 400), included=st.integers(0, 100), ladder=tiers())
def test_graduated_tiers_are_the_sum_of_each_calls_own_price(calls, included, ladder):
    charges = price_tiers(
        label="Calls", calls=calls, included_calls=included, tiers=ladder, currency="EUR"
    )

    with localcontext(prec=60):
        naive = sum(
            (_price_of_call(number, ladder) for number in range(1, calls - included + 1)), Decimal()
        )
        exact = sum((charge.quantity * charge.unit_price for charge in charges), Decimal())
    assert exact == naive
    assert sum(charge.quantity for charge in charges) == max(0, calls - included)


@given(calls=st.integers(0, 400), ladder=tiers(), currency=CURRENCIES)
def test_rounding_moves_each_line_by_half_a_minor_unit_at_most(calls, ladder, currency):
    charges = price_tiers(
        label="Calls", calls=calls, included_calls=0, tiers=ladder, currency=currency
    )

    for charge in charges:
        with localcontext(prec=60):
            exact_minor = charge.quantity * charge.unit_price * 10 ** get_exponent(currency)
        assert abs(charge.amount_minor - exact_minor) <= Decimal("0.5")


@given(
    calls=st.integers(0, 2**63 - 1),
    included=st.integers(0, 2**63 - 1),
    unit_price=st.decimals(min_value=0, max_value=Decimal("9999999999.9999999999"), places=10),
    currency=CURRENCIES,
)
def test_per_call_is_exact_for_any_count_that_can_be_stored(calls, included, unit_price, currency):
    (charge,) = price_calls(
        label="Calls",
        calls=calls,
        included_calls=included,
        unit_price=unit_price,
        currency=currency,
    )

    numerator = max(0, calls - included) * int(unit_price.scaleb(10)) * 10 ** get_exponent(currency)
    whole, rest = divmod(numerator, 10**10)
    half = 10**10 // 2
    expected = whole + (rest > half or (rest == half and whole % 2 == 1))
    assert charge.amount_minor == expected


def test_exponents_are_those_of_iso_4217():
    amount = Decimal("1234.5")

    assert round_to_minor(amount, "EUR") == 123_450
    assert round_to_minor(amount, "KWD") == 1_234_500
    assert round_to_minor(Decimal(1234), "jpy") == 1_234


def test_a_half_goes_to_the_even_neighbour():
    amounts = ["0.005", "0.015", "0.025", "-0.005", "-0.015"]

    assert [round_to_minor(Decimal(amount), "EUR") for amount in amounts] == [0, 2, 2, 0, -2]


def test_only_the_tiers_that_are_used_make_a_line():
    ladder = [(10, Decimal("0.5")), (20, Decimal("0.3")), (None, Decimal("0.1"))]

    def lines(calls):
        charges = price_tiers(
            label="Calls", calls=calls, included_calls=0, tiers=ladder, currency="EUR"
        )
        return [(charge.description, charge.quantity, charge.amount_minor) for charge in charges]

    assert lines(0) == [("Calls, 1 to 10", 0, 0)]
    assert lines(10) == [("Calls, 1 to 10", 10, 500)]
    assert lines(11) == [("Calls, 1 to 10", 10, 500), ("Calls, 11 to 20", 1, 30)]
    assert lines(25)[-1] == ("Calls, from 21", 5, 50)


def test_calls_that_are_included_cost_nothing_but_are_on_paper():
    (charge,) = price_calls(
        label="Calls",
        calls=900,
        included_calls=1000,
        unit_price=Decimal("0.01"),
        currency="EUR",
    )

    assert (charge.quantity, charge.amount_minor) == (0, 0)
    assert "1,000 included" in charge.description


def test_a_flat_fee_is_what_the_plan_says():
    (charge,) = price_flat_fee(label="Base fee", amount_minor=4900)

    assert (charge.quantity, charge.unit_price, charge.amount_minor) == (1, None, 4900)
