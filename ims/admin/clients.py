"""Clients in admin."""

from collections.abc import Iterable

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from ims.admin.read_only import ReadOnlyAdmin
from ims.models import Client
from ims.services.disable_client import disable_client
from ims.services.enable_client import enable_client


class ClientAdmin(ReadOnlyAdmin):
    """The master record of every application; secrets are never shown.

    What a client registered changes by registration management only, where it is checked.
    """

    list_display = ("client_id", "name", "client_type", "registration_source", "disabled_at")
    search_fields = ("client_id", "name")
    fields = (
        "client_id",
        "name",
        "client_type",
        "token_endpoint_auth_method",
        "grant_types",
        "scopes",
        "redirect_uris",
        "post_logout_redirect_uris",
        "is_first_party",
        "metadata",
        "registration_source",
        "created",
        "updated",
        "disabled_at",
    )
    ordering = ("-created",)
    actions = ("disable", "enable")

    def get_readonly_fields(self, request: HttpRequest, obj: object = None) -> list[str]:
        """All but the administrator's own decision: whether the consent page is skipped."""
        fields = super().get_readonly_fields(request, obj)
        return [name for name in fields if name != "is_first_party"]

    @admin.action(description="Disable and revoke every token", permissions=["change"])
    def disable(self, request: HttpRequest, queryset: QuerySet[Client]) -> None:
        """Refuse the chosen clients everywhere; gateways follow within a second."""
        for client in queryset:
            disable_client(client=client)
        messages.success(request, f"Disabled: {len(queryset)}.")

    @admin.action(description="Enable", permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[Client]) -> None:
        """Let the chosen clients authenticate again."""
        for client in queryset:
            enable_client(client=client)
        messages.success(request, f"Enabled: {len(queryset)}.")
