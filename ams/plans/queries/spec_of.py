"""Products and plans written back as the services take them."""

from decimal import Decimal

from ams.plans.models import Plan, PriceComponent, Product, Quota, RateLimit
from ams.plans.specs import (
    BillableSpec,
    ComponentSpec,
    PlanSpec,
    ProductSpec,
    QuotaSpec,
    RateLimitSpec,
    ThrottleSpec,
    TierSpec,
)


def spec_of_product(product: Product) -> ProductSpec:
    """Return the spec that `save_product` would turn into `product`. Runs a query."""
    return ProductSpec(
        slug=product.slug,
        name=product.name,
        summary=product.summary,
        description=product.description,
        is_published=product.is_published,
        apis=tuple(sorted(api.slug for api in product.apis.all())),
    )


def spec_of_plan(plan: Plan) -> PlanSpec:
    """Return the spec that `save_plan` would turn into `plan`. Runs up to four queries."""
    return PlanSpec(
        product=plan.product.slug,
        slug=plan.slug,
        name=plan.name,
        description=plan.description,
        position=plan.position,
        is_published=plan.is_published,
        requires_approval=plan.requires_approval,
        currency=plan.currency,
        timezone=plan.timezone,
        rate_limits=tuple(map(_rate_limit, plan.rate_limits.all())),
        quotas=tuple(map(_quota, plan.quotas.all())),
        billable=BillableSpec(
            statuses=tuple(plan.billable_statuses), causes=tuple(plan.billable_causes)
        ),
        components=tuple(map(spec_of_component, plan.components.all())),
    )


def spec_of_component(row: PriceComponent) -> ComponentSpec:
    """Return one line of a price; unit prices without trailing zeros."""
    return ComponentSpec(
        kind=row.kind,
        label=row.label,
        amount_minor=row.amount_minor,
        unit_price=None if row.unit_price is None else _plain(row.unit_price),
        included_calls=row.included_calls,
        tiers=tuple(
            TierSpec(unit_price=_plain(Decimal(tier["unit_price"])), up_to=tier["up_to"])
            for tier in row.tiers
        ),
    )


def _rate_limit(row: RateLimit) -> RateLimitSpec:
    return RateLimitSpec(
        name=row.name,
        calls=row.calls,
        window_seconds=row.window_seconds,
        burst=row.burst,
        per=row.per,
        each_operation=row.each_operation,
        operations=tuple(row.operations),
    )


def _quota(row: Quota) -> QuotaSpec:
    throttle = None
    if row.throttle_calls is not None and row.throttle_window_seconds is not None:
        throttle = ThrottleSpec(
            calls=row.throttle_calls, window_seconds=row.throttle_window_seconds
        )
    return QuotaSpec(
        name=row.name,
        calls=row.calls,
        period=row.period,
        overage=row.overage,
        throttle=throttle,
    )


def _plain(price: Decimal) -> Decimal:
    """Return 0.002 for 0.0020000000; also 1000 stays 1000, not 1E+3."""
    return Decimal(f"{price.normalize():f}")
