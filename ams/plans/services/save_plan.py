"""Create or change a plan with its limits and price components."""

import uuid

from django.db import transaction

from ams.catalog.services.raise_configuration_version import raise_configuration_version
from ams.errors import NotFound
from ams.plans.checks.operations import check_operations
from ams.plans.checks.plan import check_plan
from ams.plans.models import Plan, PriceComponent, Product, Quota, RateLimit
from ams.plans.specs import ComponentSpec, PlanSpec, QuotaSpec, RateLimitSpec, with_lists

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
    spec = with_lists(spec)
    # First of all: its row lock makes changes one after the other, so that the checks hold.
    raise_configuration_version()
    checks = check_plan(spec)
    checks.finish()
    product = Product.objects.filter(slug=spec.product).first()
    if product is None:
        checks.add(f"there is no product {spec.product!r}.", "product")
    else:
        check_operations(spec, product, checks)
    others = Plan.objects.exclude(pk=plan_id) if plan_id else Plan.objects.all()
    if others.filter(product__slug=spec.product, slug=spec.slug).exists():
        checks.add(f"{spec.slug!r} is already the slug of another plan of the product.", "slug")
    checks.finish()
    assert product is not None  # noqa: S101 - finish() raised otherwise
    plan = Plan() if plan_id is None else _get(plan_id)
    plan.product = product
    for name in _COPIED:
        setattr(plan, name, getattr(spec, name))
    plan.billable_statuses = list(spec.billable.statuses)
    plan.billable_causes = list(spec.billable.causes)
    plan.save()
    _replace_rows(plan, spec)
    return plan


def _get(plan_id: uuid.UUID) -> Plan:
    plan = Plan.objects.filter(pk=plan_id).first()
    if plan is None:
        raise NotFound(f"There is no plan {plan_id}.")
    return plan


def _replace_rows(plan: Plan, spec: PlanSpec) -> None:
    for rows in (plan.rate_limits, plan.quotas, plan.components):
        rows.all().delete()
    RateLimit.objects.bulk_create(
        _rate_limit(plan, at, limit) for at, limit in enumerate(spec.rate_limits)
    )
    Quota.objects.bulk_create(_quota(plan, at, quota) for at, quota in enumerate(spec.quotas))
    PriceComponent.objects.bulk_create(
        _component(plan, at, component) for at, component in enumerate(spec.components)
    )


def _rate_limit(plan: Plan, position: int, spec: RateLimitSpec) -> RateLimit:
    return RateLimit(
        plan=plan,
        position=position,
        name=spec.name,
        calls=spec.calls,
        window_seconds=spec.window_seconds,
        burst=spec.burst,
        per=spec.per,
        each_operation=spec.each_operation,
        operations=list(spec.operations),
    )


def _quota(plan: Plan, position: int, spec: QuotaSpec) -> Quota:
    return Quota(
        plan=plan,
        position=position,
        name=spec.name,
        calls=spec.calls,
        period=spec.period,
        overage=spec.overage,
        throttle_calls=spec.throttle.calls if spec.throttle else None,
        throttle_window_seconds=spec.throttle.window_seconds if spec.throttle else None,
    )


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
