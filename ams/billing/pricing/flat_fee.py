"""A fee for the period, whatever is called. Always the full month; there is no proration."""

from ams.billing.pricing.charge import Charge


def price_flat_fee(*, label: str, amount_minor: int) -> tuple[Charge, ...]:
    """Return the fee as one charge."""
    return (Charge(label, 1, None, amount_minor),)
