"""Products and plans as other packages see them."""

from django.db.models import Prefetch, Q, QuerySet

from ams.catalog.models import API
from ams.catalog.queries.api_data import api_data
from ams.data import (
    PlanData,
    PlanQuotaData,
    PriceComponentData,
    ProductData,
    RateLimitData,
)
from ams.errors import NotFound
from ams.plans.billable import merge_statuses
from ams.plans.checks.plan import is_free
from ams.plans.models import Plan, Product
from ams.plans.queries.spec_of import spec_of_plan


def list_products(*, search: str = "") -> tuple[ProductData, ...]:
    """Return the published products, by name; `search` looks into names, words and tags."""
    products = _published()
    for word in search.replace("\x00", "").split():
        products = products.filter(
            Q(name__icontains=word)
            | Q(summary__icontains=word)
            | Q(description__icontains=word)
            | Q(apis__name__icontains=word)
            | Q(apis__summary__icontains=word)
            | Q(apis__tags__contains=[word.lower()])
        )
    return tuple(map(_product_data, products.distinct().order_by("name")))


def get_product(*, slug: str) -> ProductData:
    """Return a published product. Raises NotFound, also for one that is not published."""
    product = _published().filter(slug=slug).first()
    if product is None:
        raise NotFound(f"There is no product {slug!r}.")
    return _product_data(product)


def plan_data(plan: Plan) -> PlanData:
    """Return `plan`; wants the product selected, components and limits prefetched."""
    spec = spec_of_plan(plan)
    return PlanData(
        id=plan.id,
        slug=plan.slug,
        name=plan.name,
        description=plan.description,
        product_slug=plan.product.slug,
        product_name=plan.product.name,
        requires_approval=plan.requires_approval,
        currency=plan.currency,
        rate_limits=tuple(
            RateLimitData(
                name=row.name,
                calls=row.calls,
                window_seconds=row.window_seconds,
                burst=row.burst,
                per=row.per,
                each_operation=row.each_operation,
                operations=row.operations,
            )
            for row in spec.rate_limits
        ),
        quotas=tuple(
            PlanQuotaData(
                name=row.name,
                calls=row.calls,
                period=row.period,
                overage=row.overage,
                throttle_calls=row.throttle.calls if row.throttle else None,
                throttle_window_seconds=row.throttle.window_seconds if row.throttle else None,
            )
            for row in spec.quotas
        ),
        components=tuple(
            PriceComponentData(
                kind=row.kind,
                label=row.label,
                amount_minor=row.amount_minor,
                unit_price=row.unit_price,
                included_calls=row.included_calls,
                tiers=tuple((tier.up_to, tier.unit_price) for tier in row.tiers),
            )
            for row in spec.components
        ),
        is_free=is_free(spec),
        billable_statuses=merge_statuses(spec.billable.statuses),
        billable_causes=spec.billable.causes,
    )


def _published() -> QuerySet[Product]:
    apis = API.objects.filter(state=API.State.PUBLISHED).order_by("name")
    plans = Plan.objects.filter(is_published=True).select_related("product")
    return Product.objects.filter(is_published=True).prefetch_related(
        Prefetch("apis", apis.prefetch_related("operations", "scopes")),
        Prefetch("plans", plans.prefetch_related("components", "rate_limits", "quotas")),
    )


def _product_data(product: Product) -> ProductData:
    return ProductData(
        id=product.id,
        slug=product.slug,
        name=product.name,
        summary=product.summary,
        description=product.description,
        apis=tuple(map(api_data, product.apis.all())),
        plans=tuple(map(plan_data, product.plans.all())),
    )
