"""Products and plans in admin."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.decorators import display

from ams.plans.admin_forms import PlanForm, PriceComponentForm, ProductForm
from ams.plans.models import Plan, PriceComponent, Product
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
    inlines = (PriceComponentInline,)
    fieldsets = (
        (None, {"fields": ("product", "name", "slug", "description", "position")}),
        ("Offer", {"fields": ("is_published", "requires_approval", "currency", "timezone")}),
        (
            "Rate limit",
            {
                "fields": ("rate_limit_calls", "rate_limit_window_seconds", "rate_limit_burst"),
                "description": "No calls: no limit. Burst: how many at once.",
            },
        ),
        (
            "Quota",
            {
                "fields": ("quota_calls", "quota_period", "quota_overage"),
                "description": "No calls: no quota. Overage: block what is above, or bill it.",
            },
        ),
        (
            "Billed calls",
            {
                "fields": ("billable_statuses", "billable_causes"),
                "description": "Billed are calls with one of these statuses and one of these"
                " causes. Neither changes what the quota counts: every call that is let through.",
            },
        ),
    )

    @display(description="Rate limit")
    def rate_limit(self, plan: Plan) -> str:
        if plan.rate_limit_calls is None:
            return "none"
        return f"{plan.rate_limit_calls:,} in {plan.rate_limit_window_seconds} s"

    @display(description="Quota")
    def quota(self, plan: Plan) -> str:
        if plan.quota_calls is None:
            return "none"
        return f"{plan.quota_calls:,} a {plan.quota_period}, then {plan.quota_overage}"

    @display(description="Price components")
    def component_count(self, plan: Plan) -> int:
        return len(plan.components.all())

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("components")

    def save_spec(self, cleaned: Mapping[str, Any], sections: Rows, present: Any) -> Plan:
        rows = sorted(sections["components"], key=lambda row: int(row["position"]))
        spec = PlanSpec(
            product=cleaned["product"].slug,
            rate_limit=_rate_limit(cleaned),
            quota=_quota(cleaned),
            billable=BillableSpec(
                statuses=tuple(cleaned["billable_statuses"]),
                causes=tuple(cleaned["billable_causes"]),
            ),
            components=tuple(
                ComponentSpec(
                    kind=row["kind"],
                    label=row["label"],
                    amount_minor=row["amount_minor"],
                    unit_price=row["unit_price"],
                    included_calls=row["included_calls"],
                    tiers=row["tiers"],
                )
                for row in rows
            ),
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


def _rate_limit(cleaned: Mapping[str, Any]) -> RateLimitSpec | None:
    if cleaned["rate_limit_calls"] is None:
        return None
    return RateLimitSpec(
        calls=cleaned["rate_limit_calls"],
        window_seconds=cleaned["rate_limit_window_seconds"],
        burst=cleaned["rate_limit_burst"],
    )


def _quota(cleaned: Mapping[str, Any]) -> QuotaSpec | None:
    if cleaned["quota_calls"] is None:
        return None
    return QuotaSpec(
        calls=cleaned["quota_calls"],
        period=cleaned["quota_period"],
        overage=cleaned["quota_overage"],
    )
