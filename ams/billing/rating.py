"""Rating: a month's calls and the plans' price components become the lines of invoices.

Estimates and invoices come from this one place, so that they cannot differ.
"""

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from django.db.models import Q

from ams.billing.billable_calls import count_billable_calls
from ams.billing.pricing.charge import Charge
from ams.billing.pricing.flat_fee import price_flat_fee
from ams.billing.pricing.graduated import Tier, price_tiers
from ams.billing.pricing.per_call import price_calls
from ams.errors import InvalidDocument
from ams.plans.models import PriceComponent
from ams.subscriptions.models import Subscription

# Of InvoiceLine: the decimals of its unit price and the length of its description.
_DECIMALS: Final = 10
_DESCRIPTION_LENGTH: Final = 256


@dataclass(frozen=True, slots=True)
class RatedLine:
    """A line before it is stored. `component` is the price as it was when rated."""

    subscription_id: uuid.UUID
    description: str
    quantity: int
    unit_price: Decimal | None
    amount_minor: int
    component: Mapping[str, Any]


@dataclass(slots=True)
class RatedInvoice:
    """The lines of one subscriber in one currency; `problems` name what could not be rated."""

    subscriber_id: uuid.UUID
    currency: str
    lines: list[RatedLine] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def total_minor(self) -> int:
        return sum(line.amount_minor for line in self.lines)


def get_period_end(period_start: date) -> date:
    """Return the first day of the next month. Raises ValueError unless given a first day."""
    if period_start.day != 1:
        raise ValueError(f"A period starts on the first of a month, not on {period_start}.")
    return (period_start + timedelta(days=31)).replace(day=1)


def rate_period(*, period_start: date, subject: str | None = None) -> list[RatedInvoice]:
    """Return what each subscriber owes for the month, or the one with `subject` only.

    A subscription counts when it was active at any time of the month (UTC), suspended or
    ended since or not; it pays the full fee. Runs 3 queries however many there are.
    """
    period_end = get_period_end(period_start)
    subscriptions = _list_subscriptions(period_start, period_end, subject)
    calls = count_billable_calls(
        period_start=period_start,
        period_end=period_end,
        subscriptions=subscriptions,
        is_everybody=subject is None,
    )
    invoices: dict[tuple[uuid.UUID, str], RatedInvoice] = {}
    for subscription in subscriptions:
        key = (subscription.subscriber_id, subscription.plan.currency)
        invoice = invoices.setdefault(key, RatedInvoice(*key))
        _add_subscription(invoice, subscription, calls[str(subscription.pk)])
    return list(invoices.values())


def _list_subscriptions(start: date, end: date, subject: str | None) -> list[Subscription]:
    found = Subscription.objects.filter(
        Q(ended_at=None) | Q(ended_at__gte=datetime.combine(start, time(), UTC)),
        activated_at__lt=datetime.combine(end, time(), UTC),
    )
    if subject is not None:
        found = found.filter(subscriber__subject=subject)
    # The key breaks ties, so that a second rating gives the same lines in the same order.
    return list(
        found.select_related("plan__product")
        .prefetch_related("plan__components")
        .order_by("subscriber_id", "activated_at", "pk")
    )


def _add_subscription(invoice: RatedInvoice, subscription: Subscription, calls: int) -> None:
    try:
        invoice.lines += _rate_subscription(subscription, calls)
    except InvalidDocument as error:
        invoice.problems.append(f"Plan {subscription.plan}: {error}")


def _rate_subscription(subscription: Subscription, calls: int) -> list[RatedLine]:
    currency = subscription.plan.currency
    components = list(subscription.plan.components.all())
    if not components:
        free = Charge(f"{subscription.plan}: free", calls, Decimal(0), 0)
        return [_line(subscription, free, {"kind": "free"})]
    return [
        _line(subscription, charge, _describe_component(component))
        for component in components
        for charge in _price(component, f"{subscription.plan}: {component.label}", calls, currency)
    ]


def _price(component: PriceComponent, label: str, calls: int, currency: str) -> tuple[Charge, ...]:
    match component.kind:
        case PriceComponent.Kind.FLAT_FEE if component.amount_minor is not None:
            return price_flat_fee(label=label, amount_minor=component.amount_minor)
        case PriceComponent.Kind.PER_CALL if component.unit_price is not None:
            return price_calls(
                label=label,
                calls=calls,
                included_calls=component.included_calls,
                unit_price=component.unit_price,
                currency=currency,
            )
        case PriceComponent.Kind.GRADUATED:
            return price_tiers(
                label=label,
                calls=calls,
                included_calls=component.included_calls,
                tiers=read_tiers(component),
                currency=currency,
            )
    raise InvalidDocument("the price is missing.", where=component.label)


def read_tiers(component: PriceComponent) -> list[Tier]:
    """Return the tiers of a graduated component. Raises InvalidDocument when they are unusable."""
    try:
        tiers = [_read_tier(tier) for tier in component.tiers]
    except (InvalidOperation, KeyError, TypeError, ValueError) as error:
        raise InvalidDocument(
            "a tier needs up_to and a unit_price of at most 10 decimals.", where=component.label
        ) from error
    ends = [up_to for up_to, _ in tiers]
    finite = [end for end in ends[:-1] if end is not None]
    if not ends or ends[-1] is not None or finite != ends[:-1]:
        raise InvalidDocument("only the last tier has up_to null.", where=component.label)
    if any(high <= low for low, high in zip([0, *finite], finite, strict=False)):
        raise InvalidDocument("up_to rises from tier to tier.", where=component.label)
    return tiers


def _read_tier(tier: Mapping[str, Any]) -> Tier:
    # By way of text, so that a JSON number 0.002 is the decimal that was written.
    unit_price = Decimal(str(tier["unit_price"]))
    if not unit_price.is_finite() or unit_price != round(unit_price, _DECIMALS):
        raise ValueError(f"{unit_price} cannot be kept exactly.")
    return (None if tier["up_to"] is None else int(tier["up_to"])), unit_price


def _describe_component(component: PriceComponent) -> dict[str, Any]:
    plan = component.plan
    return {
        "billable": {"statuses": plan.billable_statuses, "causes": plan.billable_causes},
        "kind": component.kind,
        "label": component.label,
        "amount_minor": component.amount_minor,
        "unit_price": None if component.unit_price is None else str(component.unit_price),
        "included_calls": component.included_calls,
        "tiers": component.tiers,
    }


def _line(subscription: Subscription, charge: Charge, component: Mapping[str, Any]) -> RatedLine:
    short = replace(charge, description=charge.description[:_DESCRIPTION_LENGTH])
    return RatedLine(subscription_id=subscription.pk, component=component, **asdict(short))
