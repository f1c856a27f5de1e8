"""Every call beyond the included ones costs the same."""

from decimal import Decimal

from ams.billing.pricing.charge import Charge, charge_calls


def price_calls(
    *, label: str, calls: int, included_calls: int, unit_price: Decimal, currency: str
) -> tuple[Charge, ...]:
    """Return one charge, also when nothing is left to pay: a free month is on paper too."""
    text = f"{label} ({included_calls:,} included)" if included_calls else label
    return (charge_calls(text, max(0, calls - included_calls), unit_price, currency),)
