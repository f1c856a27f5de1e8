"""Create or change a plan with its price components."""

import uuid

from django.db import transaction

from ams.catalog.services.raise_configuration_version import raise_configuration_version
from ams.errors import NotFound
from ams.plans.checks.plan import check_plan
from ams.plans.models import Plan, PriceComponent, Product
from ams.plans.specs import ComponentSpec, PlanSpec, QuotaSpec, RateLimitSpec

_COPIED = (
    "slug",
    "name",
    "description",
    "position",
    "is_published",
    "requires_approval",
    "currency",
    "timezone",
)


@transaction.atomic
def save_plan(*, spec: PlanSpec, plan_id: uuid.UUID | None = None) -> Plan:
    """Return the plan exactly as `spec` says; a new one without `plan_id`.

    Open invoices are rated with what is saved here; finished ones keep their lines. Raises
    InvalidFields, and NotFound for an unknown `plan_id`.
    """
    # First of all: its row lock makes changes one after the other, so that the checks hold.
    raise_configuration_version()
    checks = check_plan(spec)
    checks.finish()
    product = Product.objects.filter(slug=spec.product).first()
    if product is None:
        checks.add(f"there is no product {spec.product!r}.", "product")
    others = Plan.objects.exclude(pk=plan_id) if plan_id else Plan.objects.all()
    if others.filter(product__slug=spec.product, slug=spec.slug).exists():
        checks.add(f"{spec.slug!r} is already the slug of another plan of the product.", "slug")
    checks.finish()
    assert product is not None  # noqa: S101 - finish() raised otherwise
    plan = Plan() if plan_id is None else _get(plan_id)
    plan.product = product
    for name in _COPIED:
        setattr(plan, name, getattr(spec, name))
    _set_rate_limit(plan, spec.rate_limit)
    _set_quota(plan, spec.quota)
    plan.billable_statuses = list(spec.billable.statuses)
    plan.billable_causes = list(spec.billable.causes)
    plan.save()
    plan.components.all().delete()
    PriceComponent.objects.bulk_create(
        _component(plan, at, component) for at, component in enumerate(spec.components)
    )
    return plan


def _get(plan_id: uuid.UUID) -> Plan:
    plan = Plan.objects.filter(pk=plan_id).first()
    if plan is None:
        raise NotFound(f"There is no plan {plan_id}.")
    return plan


def _set_rate_limit(plan: Plan, limit: RateLimitSpec | None) -> None:
    plan.rate_limit_calls = limit.calls if limit else None
    plan.rate_limit_window_seconds = limit.window_seconds if limit else 60
    plan.rate_limit_burst = limit.burst if limit else None


def _set_quota(plan: Plan, quota: QuotaSpec | None) -> None:
    plan.quota_calls = quota.calls if quota else None
    plan.quota_period = quota.period if quota else Plan.Period.MONTH
    plan.quota_overage = quota.overage if quota else Plan.Overage.BLOCK


def _component(plan: Plan, position: int, spec: ComponentSpec) -> PriceComponent:
    return PriceComponent(
        plan=plan,
        position=position,
        kind=spec.kind,
        label=spec.label,
        amount_minor=spec.amount_minor,
        unit_price=spec.unit_price,
        included_calls=spec.included_calls,
        # Text, because JSON numbers would lose exact decimals.
        tiers=[{"up_to": row.up_to, "unit_price": f"{row.unit_price:f}"} for row in spec.tiers],
    )
