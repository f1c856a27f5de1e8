"""Each tier prices the calls that fall into it; earlier calls keep the earlier tier's price."""

from collections.abc import Sequence
from decimal import Decimal

from ams.billing.pricing.charge import Charge, charge_calls

# (the last call of the tier or None for no end, price of a call in major units)
Tier = tuple[int | None, Decimal]


def price_tiers(
    *, label: str, calls: int, included_calls: int, tiers: Sequence[Tier], currency: str
) -> tuple[Charge, ...]:
    """Return one charge for each tier used, the first one even with 0 calls.

    Included calls come first and are free; the tiers count from the call after them. `tiers`
    rise and end with one that has no end.
    """
    chargeable = max(0, calls - included_calls)
    charges = []
    start = 0
    for up_to, unit_price in tiers:
        if chargeable <= start and start > 0:
            break
        end = chargeable if up_to is None else min(chargeable, up_to)
        charges.append(
            charge_calls(_describe(label, start, up_to), end - start, unit_price, currency)
        )
        start = end if up_to is None else up_to
    return tuple(charges)


def _describe(label: str, start: int, up_to: int | None) -> str:
    if up_to is None:
        return f"{label}, from {start + 1:,}"
    return f"{label}, {start + 1:,} to {up_to:,}"
