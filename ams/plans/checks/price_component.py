"""What makes one line of a price usable. Amounts are minor units, unit prices major ones."""

from decimal import Decimal
from typing import Final

from ams.field_checks import FieldChecks
from ams.plans.models import PriceComponent
from ams.plans.specs import ComponentSpec

_MOST_MINOR: Final = 10**15
_MOST_PRICE: Final = Decimal(10) ** 9
_DECIMAL_PLACES: Final = 10  # what the column keeps exactly
_MOST_CALLS: Final = 9_223_372_036_854_775_807
_MOST_TIERS: Final = 50
# Which members each kind uses; anything else there would be ignored when rating, so it is refused.
_MEMBERS: Final = {
    PriceComponent.Kind.FLAT_FEE: {"amount_minor"},
    PriceComponent.Kind.PER_CALL: {"unit_price", "included_calls"},
    PriceComponent.Kind.GRADUATED: {"tiers", "included_calls"},
}


def check_component(spec: ComponentSpec) -> FieldChecks:
    """Return what is wrong with `spec`; runs no query."""
    checks = FieldChecks()
    checks.choice(spec.kind, PriceComponent.Kind.values, "kind")
    checks.text(spec.label, "label", longest=128, required=True)
    if spec.kind not in PriceComponent.Kind.values:
        return checks
    _check_members(spec, checks)
    if spec.amount_minor is not None:
        checks.number(spec.amount_minor, "amount_minor", least=0, most=_MOST_MINOR)
    if spec.unit_price is not None:
        _check_price(spec.unit_price, checks, "unit_price")
    checks.number(spec.included_calls, "included_calls", least=0, most=_MOST_CALLS)
    if spec.kind == PriceComponent.Kind.GRADUATED:
        _check_tiers(spec, checks)
    return checks


def _check_members(spec: ComponentSpec, checks: FieldChecks) -> None:
    used = _MEMBERS[PriceComponent.Kind(spec.kind)]
    given = {
        "amount_minor": spec.amount_minor is not None,
        "unit_price": spec.unit_price is not None,
        "included_calls": spec.included_calls != 0,
        "tiers": bool(spec.tiers),
    }
    for name, is_given in given.items():
        if is_given and name not in used:
            checks.add(f"a {spec.kind} component does not use it.", name)
        elif not is_given and name in used and name != "included_calls":
            checks.add(f"a {spec.kind} component needs it.", name)


def _check_price(price: Decimal, checks: FieldChecks, *path: str | int) -> None:
    exponent = price.as_tuple().exponent
    if not isinstance(exponent, int) or not 0 <= price <= _MOST_PRICE:
        checks.add(f"a price from 0 to {_MOST_PRICE:,} is needed, not {price}.", *path)
    elif -exponent > _DECIMAL_PLACES:
        checks.add(f"at most {_DECIMAL_PLACES} decimal places are kept exactly.", *path)


def _check_tiers(spec: ComponentSpec, checks: FieldChecks) -> None:
    if len(spec.tiers) > _MOST_TIERS:
        checks.add(f"at most {_MOST_TIERS} are possible.", "tiers")
        return
    above = 0
    for at, tier in enumerate(spec.tiers):
        _check_price(tier.unit_price, checks, "tiers", at, "unit_price")
        is_last = at == len(spec.tiers) - 1
        if is_last and tier.up_to is not None:
            checks.add("the last tier is open-ended: leave it out (null).", "tiers", at, "up_to")
        elif not is_last and tier.up_to is None:
            checks.add("only the last tier is open-ended.", "tiers", at, "up_to")
        elif tier.up_to is not None and not above < tier.up_to <= _MOST_CALLS:
            checks.add(f"tiers ascend: more than {above} is needed.", "tiers", at, "up_to")
        above = max(above, tier.up_to or 0)
