"""What a pricing rule yields; each charge becomes one line of an invoice."""

from dataclasses import dataclass
from decimal import Decimal

from ams.billing.currencies import EXACT, round_to_minor


@dataclass(frozen=True, slots=True)
class Charge:
    """One line. `unit_price` is exact, in major units per call; `amount_minor` is rounded once."""

    description: str
    quantity: int
    unit_price: Decimal | None
    amount_minor: int


def charge_calls(description: str, calls: int, unit_price: Decimal, currency: str) -> Charge:
    """Return the charge for `calls` at `unit_price` each: multiplied exactly, rounded once."""
    amount = EXACT.multiply(Decimal(calls), unit_price)
    return Charge(description, calls, unit_price, round_to_minor(amount, currency))
