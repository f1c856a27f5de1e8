"""The registry of protected resources in admin."""

import json
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.admin import TabularInline
from unfold.decorators import action

from ims.admin.read_only import ReadOnlyAdmin
from ims.admin.resource_forms import ClaimMappingForm, ClaimsPreviewForm, JWTSettingsForm
from ims.models import ClaimMapping, ProtectedResource, ResourceScope
from ims.queries.claims_preview import ClaimsPreview, preview_claims
from ims.services.configure_jwt import configure_jwt
from ims.services.map_claims import map_claims
from ims.services.read_resource_keys import read_resource_keys


class ScopeInline(TabularInline):
    """Its scopes; API management registers them."""

    model = ResourceScope
    verbose_name_plural = "Scopes"
    hide_title = True
    fields = readonly_fields = ("name", "description")
    extra = 0
    max_num = 0
    can_delete = False


class ClaimMappingInline(TabularInline):
    """What its JWT carries besides, or under another name than, the claims it declared."""

    model = ClaimMapping
    form = ClaimMappingForm
    verbose_name_plural = "Claims mapping"
    hide_title = True
    extra = 0


class ProtectedResourceAdmin(ReadOnlyAdmin):
    """An API as the token service knows it.

    What it declares is changed where it is published: the next declaration would undo it here. Its
    JWT, and the claims that an administrator maps for it, are chosen here.
    """

    form = JWTSettingsForm
    list_display = ("resource", "name", "jwt_signing_alg", "registered_by", "updated_at")
    search_fields = ("resource", "name")
    declared = (
        "resource",
        "name",
        "description",
        "documentation_url",
        "claims",
        "introspection_clients",
        "registered_by",
        "updated_at",
    )
    fieldsets = (
        ("Declared by the API", {"fields": declared}),
        (
            "JWT",
            {
                "fields": (
                    "jwt_signing_alg",
                    "jwt_encryption_alg",
                    "jwks_uri",
                    "jwks",
                    "jwks_read_at",
                )
            },
        ),
    )
    inlines = (ClaimMappingInline, ScopeInline)
    actions = ("read_keys",)
    actions_detail = ("preview",)

    def get_readonly_fields(self, request: HttpRequest, obj: object = None) -> list[str]:
        """Return what its declaration says, and what the task writes."""
        del request, obj
        return [*self.declared, "jwks_read_at"]

    def save_model(
        self,
        request: HttpRequest,
        obj: ProtectedResource,
        form: JWTSettingsForm,
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        """Save by the service: the rest may have been declared anew since the page was read."""
        del request, change
        if form.changed_data:
            present = ProtectedResource.objects.get(pk=obj.pk)
            configure_jwt(protected_resource=present, settings=form.settings)

    def save_formset(
        self,
        request: HttpRequest,
        form: Any,
        formset: Any,
        change: bool,  # noqa: FBT001
    ) -> None:
        """Save the mappings by the service."""
        del request, change
        if formset.model is ClaimMapping and formset.has_changed():
            rows = [row for row in formset.cleaned_data if row and not row.get("DELETE")]
            mappings = {row["claim"]: row["source"] for row in rows}
            map_claims(protected_resource=form.instance, mappings=mappings)
        # What Django's log of changes reads.
        formset.new_objects = formset.changed_objects = formset.deleted_objects = []

    @admin.action(description="Read the keys at their address now", permissions=["change"])
    def read_keys(self, request: HttpRequest, queryset: QuerySet[ProtectedResource]) -> None:
        """Read the published keys of the chosen APIs, which a task does every hour."""
        for record in queryset.exclude(jwks_uri=""):
            if read_resource_keys(protected_resource=record):
                messages.success(request, f"{record.name}: the keys were read.")
            else:
                messages.error(request, f"{record.name}: no usable keys there; the log says why.")

    @action(description="Claims preview", url_path="claims-preview", icon="visibility")
    def preview(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show what the API would see of a user and a client. No token is made."""
        record = self.get_object(request, object_id)
        if record is None:
            raise Http404
        allowed = self.has_view_permission(request, record) and request.user.has_perms(
            ["ims.view_user", "ims.view_client"]
        )
        if not allowed:
            raise PermissionDenied
        form = ClaimsPreviewForm(request.POST or None, protected_resource=record)
        preview: ClaimsPreview | None = None
        if form.is_bound and form.is_valid():
            preview = preview_claims(protected_resource=record, **form.cleaned_data)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Claims preview: {record.name}",
            "record": record,
            "form": form,
            "media": self.media + form.media,
            "preview": preview,
            "header": json.dumps(preview.header, indent=2) if preview else "",
            "rows": [
                (claim.name, json.dumps(claim.value, ensure_ascii=False), claim.origin)
                for claim in (preview.claims if preview else ())
            ],
        }
        return TemplateResponse(request, "ims/claims_preview.html", context)
