"""Grants in admin."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from ims.admin.read_only import ReadOnlyAdmin
from ims.models import Grant
from ims.services.revoke_grant import revoke_grant


class GrantAdmin(ReadOnlyAdmin):
    """What people allowed applications; the tokens themselves are nobody's reading."""

    list_display = ("user", "client", "scopes", "created_at", "revoked_at")
    list_select_related = ("user", "client")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    search_fields = ("user__email", "client__client_id", "client__name")
    fields = (
        "id",
        "user",
        "client",
        "scopes",
        "resources",
        "authenticated_at",
        "acr",
        "amr",
        "created_at",
        "revoked_at",
    )
    ordering = ("-created_at",)
    actions = ("revoke",)

    @admin.action(description="Revoke with every token", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Grant]) -> None:
        """Revoke the chosen grants; gateways refuse their tokens within a second."""
        for grant in queryset:
            revoke_grant(grant=grant)
        messages.success(request, f"Revoked: {len(queryset)}.")
