"""Products and plans in admin."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.decorators import display

from ams.plans.admin_forms import (
    PlanForm,
    PriceComponentForm,
    ProductForm,
    QuotaForm,
    RateLimitForm,
)
from ams.plans.models import Plan, PriceComponent, Product, Quota, RateLimit
from ams.plans.services.delete_plan import delete_plan
from ams.plans.services.delete_product import delete_product
from ams.plans.services.save_plan import save_plan
from ams.plans.services.save_product import save_product
from ams.plans.specs import (
    BillableSpec,
    ComponentSpec,
    PlanSpec,
    ProductSpec,
    QuotaSpec,
    RateLimitSpec,
    ThrottleSpec,
)
from ams.service_admin import ServiceAdmin, ServiceInline

Rows = Mapping[str, list[Mapping[str, Any]]]


@admin.register(Product)
class ProductAdmin(ServiceAdmin):
    form = ProductForm
    list_display = ("name", "slug", "is_published", "bundled_apis", "plan_count")
    list_filter = ("is_published",)
    search_fields = ("name", "slug", "summary")
    ordering = ("name",)
    autocomplete_fields = ("apis",)
    prepopulated_fields = {"slug": ("name",)}

    @display(description="APIs")
    def bundled_apis(self, product: Product) -> str:
        return ", ".join(api.name for api in product.apis.all())

    @display(description="Plans")
    def plan_count(self, product: Product) -> int:
        return len(product.plans.all())

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("apis", "plans")

    def save_spec(self, cleaned: Mapping[str, Any], sections: Rows, present: Any) -> Product:
        del sections
        spec = ProductSpec(**{**cleaned, "apis": tuple(api.slug for api in cleaned["apis"])})
        return save_product(spec=spec, product_id=present.pk if present else None)

    def delete_row(self, row: Product) -> None:
        delete_product(product_id=row.pk)


class PriceComponentInline(ServiceInline):
    model = PriceComponent
    form = PriceComponentForm
    section = "components"


class RateLimitInline(ServiceInline):
    """All of them hold at once. Operations: empty is all; "each": a counter for each of them."""

    model = RateLimit
    form = RateLimitForm
    section = "rate_limits"


class QuotaInline(ServiceInline):
    """Of the plan's time zone. Above: block, throttle to a lower rate, or bill."""

    model = Quota
    form = QuotaForm
    section = "quotas"


@admin.register(Plan)
class PlanAdmin(ServiceAdmin):
    form = PlanForm
    list_display = (
        "name",
        "product",
        "is_published",
        "requires_approval",
        "rate_limit",
        "quota",
        "component_count",
    )
    list_filter = ("product", "is_published", "requires_approval")
    list_select_related = ("product",)
    search_fields = ("name", "slug", "product__name")
    prepopulated_fields = {"slug": ("name",)}
    inlines = (RateLimitInline, QuotaInline, PriceComponentInline)
    fieldsets = (
        (None, {"fields": ("product", "name", "slug", "description", "position")}),
        ("Offer", {"fields": ("is_published", "requires_approval", "currency", "timezone")}),
        (
            "Billed calls",
            {
                "fields": ("billable_statuses", "billable_causes"),
                "description": "Billed are calls with one of these statuses and one of these"
                " causes. Neither changes what the quota counts: every call that is let through.",
            },
        ),
    )

    @display(description="Rate limits")
    def rate_limit(self, plan: Plan) -> str:
        limits = [f"{row.calls:,} in {row.window_seconds} s" for row in plan.rate_limits.all()]
        return ", ".join(limits) or "none"

    @display(description="Quotas")
    def quota(self, plan: Plan) -> str:
        quotas = [f"{row.calls:,} a {row.period}, then {row.overage}" for row in plan.quotas.all()]
        return "; ".join(quotas) or "none"

    @display(description="Price components")
    def component_count(self, plan: Plan) -> int:
        return len(plan.components.all())

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("components", "rate_limits", "quotas")

    def save_spec(self, cleaned: Mapping[str, Any], sections: Rows, present: Any) -> Plan:
        spec = PlanSpec(
            product=cleaned["product"].slug,
            rate_limits=tuple(map(_rate_limit, _in_order(sections["rate_limits"]))),
            quotas=tuple(map(_quota, _in_order(sections["quotas"]))),
            billable=BillableSpec(
                statuses=tuple(cleaned["billable_statuses"]),
                causes=tuple(cleaned["billable_causes"]),
            ),
            components=tuple(map(_component, _in_order(sections["components"]))),
            **{name: cleaned[name] for name in _PLAIN},
        )
        return save_plan(spec=spec, plan_id=present.pk if present else None)

    def delete_row(self, row: Plan) -> None:
        delete_plan(plan_id=row.pk)


_PLAIN = (
    "slug",
    "name",
    "description",
    "position",
    "is_published",
    "requires_approval",
    "currency",
    "timezone",
)


def _in_order(rows: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(rows, key=lambda row: int(row["position"]))


def _rate_limit(row: Mapping[str, Any]) -> RateLimitSpec:
    return RateLimitSpec(
        name=row["name"],
        calls=row["calls"],
        window_seconds=row["window_seconds"],
        burst=row["burst"],
        per=row["per"],
        each_operation=row["each_operation"],
        operations=row["operations"],
    )


def _quota(row: Mapping[str, Any]) -> QuotaSpec:
    calls, seconds = row["throttle_calls"], row["throttle_window_seconds"]
    throttle = None
    if calls is not None or seconds is not None:
        # What is missing of the two is told at its field.
        throttle = ThrottleSpec(calls=calls or 0, window_seconds=seconds or 0)
    return QuotaSpec(
        name=row["name"],
        calls=row["calls"],
        period=row["period"],
        overage=row["overage"],
        throttle=throttle,
    )


def _component(row: Mapping[str, Any]) -> ComponentSpec:
    return ComponentSpec(
        kind=row["kind"],
        label=row["label"],
        amount_minor=row["amount_minor"],
        unit_price=row["unit_price"],
        included_calls=row["included_calls"],
        tiers=row["tiers"],
    )
