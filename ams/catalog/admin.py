"""APIs and upstreams in admin."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from ams.catalog.admin_forms import (
    APIForm,
    IssuerForm,
    OpenAPIImportForm,
    OperationForm,
    TargetForm,
    UpstreamForm,
)
from ams.catalog.models import (
    API,
    Issuer,
    Operation,
    ResourceRegistration,
    Scope,
    Target,
    Upstream,
)
from ams.catalog.services.delete_api import delete_api
from ams.catalog.services.delete_issuer import delete_issuer
from ams.catalog.services.delete_upstream import delete_upstream
from ams.catalog.services.import_openapi import import_openapi
from ams.catalog.services.save_api import save_api
from ams.catalog.services.save_issuer import save_issuer
from ams.catalog.services.save_upstream import save_upstream
from ams.catalog.specs import (
    APISpec,
    CORSSpec,
    HealthSpec,
    IssuerSpec,
    OperationSpec,
    ScopeSpec,
    TargetSpec,
    UpstreamSpec,
)
from ams.errors import InvalidDocument, InvalidFields
from ams.service_admin import ServiceAdmin, ServiceInline

Rows = Mapping[str, list[Mapping[str, Any]]]
_MOST_WARNINGS = 10


class TargetInline(ServiceInline):
    model = Target
    form = TargetForm
    section = "targets"


@admin.register(Upstream)
class UpstreamAdmin(ServiceAdmin):
    form = UpstreamForm
    list_display = ("slug", "where", "health_path", "used_by")
    search_fields = ("slug", "url", "targets__url")
    ordering = ("slug",)
    inlines = (TargetInline,)
    fieldsets = (
        (None, {"fields": ("slug", "url", "allow_internal", "ca_pem")}),
        (
            "Time limits",
            {
                "fields": (
                    "connect_timeout_seconds",
                    "first_byte_timeout_seconds",
                    "idle_timeout_seconds",
                    "total_timeout_seconds",
                )
            },
        ),
        (
            "Health checks",
            {
                "fields": (
                    "health_path",
                    "health_check_on_save",
                    "health_interval_seconds",
                    "health_timeout_seconds",
                    "health_healthy_after",
                    "health_unhealthy_after",
                ),
                "description": "Each gateway asks every target for the path. No path: no checks.",
            },
        ),
        (
            "Ejection",
            {
                "fields": ("eject_after", "ejection_seconds"),
                "description": "So many failed calls in a row take a target out for so long, then"
                " for twice as long, and so on; the last one is never taken out by this.",
            },
        ),
    )

    @display(description="Goes to")
    def where(self, upstream: Upstream) -> str:
        return upstream.url or ", ".join(target.url for target in upstream.targets.all())

    @display(description="Used by")
    def used_by(self, upstream: Upstream) -> str:
        return ", ".join(api.slug for api in upstream.apis.all())

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("apis", "targets")

    def save_spec(self, cleaned: Mapping[str, Any], sections: Rows, present: Any) -> Upstream:
        plain = {name: value for name, value in cleaned.items() if not name.startswith("health_")}
        health = {name.removeprefix("health_"): cleaned[name] for name in cleaned.keys() - plain}
        spec = UpstreamSpec(
            **plain,
            health=HealthSpec(**health) if health["path"] else None,
            targets=tuple(
                TargetSpec(url=row["url"], weight=row["weight"]) for row in sections["targets"]
            ),
        )
        return save_upstream(spec=spec, upstream_id=present.pk if present else None)

    def delete_row(self, row: Upstream) -> None:
        delete_upstream(upstream_id=row.pk)


@admin.register(Issuer)
class IssuerAdmin(ServiceAdmin):
    form = IssuerForm
    list_display = ("slug", "issuer", "accepted_by")
    search_fields = ("slug", "issuer")
    ordering = ("slug",)

    @display(description="Accepted by")
    def accepted_by(self, issuer: Issuer) -> str:
        return ", ".join(api.slug for api in issuer.apis.all())

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("apis")

    def save_spec(self, cleaned: Mapping[str, Any], sections: Rows, present: Any) -> Issuer:
        del sections
        values = {**cleaned, "algorithms": tuple(cleaned["algorithms"] or ())}
        return save_issuer(spec=IssuerSpec(**values), issuer_id=present.pk if present else None)

    def delete_row(self, row: Issuer) -> None:
        delete_issuer(issuer_id=row.pk)


class ScopeInline(ServiceInline):
    model = Scope
    section = "scopes"
    tab = True


class OperationInline(ServiceInline):
    model = Operation
    form = OperationForm
    section = "operations"
    tab = True


@admin.register(API)
class APIAdmin(ServiceAdmin):
    form = APIForm
    list_display = ("name", "version", "base_path", "upstream", "shown_state", "operation_count")
    list_filter = ("state", "upstream")
    list_select_related = ("upstream",)
    search_fields = ("name", "slug", "base_path", "summary")
    ordering = ("name",)
    inlines = (ScopeInline, OperationInline)
    actions_list = ("import_openapi_document",)
    prepopulated_fields = {"slug": ("name",)}
    fieldsets = (
        (None, {"fields": ("name", "slug", "version", "state")}),
        ("In words", {"fields": ("summary", "description", "documentation_url", "tags")}),
        ("Address", {"fields": ("base_path", "upstream", "resource")}),
        (
            "What the upstream gets",
            {"fields": ("claims", "max_body_bytes", "allow_encoded_slash")},
        ),
        (
            "WebSocket",
            {"fields": ("allow_websocket", "websocket_origins", "websocket_idle_seconds")},
        ),
        (
            "Who may call",
            {
                "fields": (
                    "acr_values",
                    "max_auth_age_seconds",
                    "requires_bound_tokens",
                    "requires_dpop_nonce",
                    "issuers",
                )
            },
        ),
        (
            "Calls from pages of other origins (CORS)",
            {
                "fields": (
                    "cors_origins",
                    "cors_methods",
                    "cors_headers",
                    "cors_exposed_headers",
                    "cors_credentials",
                    "cors_max_age_seconds",
                )
            },
        ),
    )

    @display(
        description="State",
        label={"published": "success", "draft": "info", "retired": "warning"},
    )
    def shown_state(self, api: API) -> str:
        return api.state

    @display(description="Operations")
    def operation_count(self, api: API) -> int:
        return len(api.operations.all())

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("operations")

    def save_spec(self, cleaned: Mapping[str, Any], sections: Rows, present: Any) -> API:
        values = {name: cleaned[name] for name in cleaned if not name.startswith("cors_")}
        lists = ("tags", "claims", "websocket_origins", "acr_values")
        values |= {name: tuple(values[name] or ()) for name in lists}
        values["upstream"] = values["upstream"].slug
        values["issuers"] = tuple(sorted(issuer.slug for issuer in values["issuers"]))
        values["cors"] = _read_cors(cleaned)
        spec = APISpec(
            **values,
            openapi=present.openapi if present else None,
            scopes=tuple(
                ScopeSpec(name=row["name"], description=row["description"])
                for row in sections["scopes"]
            ),
            operations=tuple(
                OperationSpec(
                    operation_id=row["operation_id"],
                    method=row["method"],
                    path=row["path"],
                    summary=row["summary"],
                    scopes=tuple(row["scopes"] or ()),
                    acr_values=tuple(row["acr_values"] or ()),
                    max_auth_age_seconds=row["max_auth_age_seconds"],
                )
                for row in sections["operations"]
            ),
        )
        return save_api(spec=spec, api_id=present.pk if present else None)

    def delete_row(self, row: API) -> None:
        delete_api(api_id=row.pk)

    @action(description="Import OpenAPI", url_path="import-openapi", icon="upload_file")
    def import_openapi_document(self, request: HttpRequest) -> HttpResponse:
        """Show the form of the import, or do it."""
        if not (self.has_add_permission(request) and self.has_change_permission(request)):
            raise PermissionDenied
        form = OpenAPIImportForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            answer = self._import(request, form)
            if answer is not None:
                return answer
        context = self.admin_site.each_context(request)
        context |= {"form": form, "opts": self.opts, "title": "Import an OpenAPI document"}
        return TemplateResponse(request, "ams/import_openapi.html", context)

    def _import(self, request: HttpRequest, form: OpenAPIImportForm) -> HttpResponse | None:
        try:
            imported = import_openapi(**form.import_arguments())
        except InvalidDocument as error:
            form.add_error(None, str(error))
            return None
        except InvalidFields as error:
            for problem in error.problems:
                form.add_error(problem.name if problem.name in form.fields else None, str(problem))
            return None
        self.log_change(request, imported.api, "Imported an OpenAPI document.")
        messages.success(request, f"{imported.api.name} was imported.")
        for warning in imported.warnings[:_MOST_WARNINGS]:
            messages.warning(request, warning)
        left = len(imported.warnings) - _MOST_WARNINGS
        if left > 0:
            messages.warning(request, f"{left} more warnings.")
        return HttpResponseRedirect(reverse("admin:catalog_api_change", args=[imported.api.pk]))


def _read_cors(cleaned: Mapping[str, Any]) -> CORSSpec | None:
    if not cleaned["cors_origins"]:
        return None
    lists = ("origins", "methods", "headers", "exposed_headers")
    return CORSSpec(
        **{name: tuple(cleaned[f"cors_{name}"] or ()) for name in lists},
        credentials=cleaned["cors_credentials"],
        max_age_seconds=cleaned["cors_max_age_seconds"],
    )


@admin.register(ResourceRegistration)
class ResourceRegistrationAdmin(ModelAdmin):
    """What the token service was told, and what it did not take yet."""

    list_display = ("resource", "changed_at", "delivered_at", "attempts", "last_error")
    search_fields = ("resource",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        del request
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        del request, obj
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        del request, obj
        return False
