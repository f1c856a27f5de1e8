"""Clients in admin: the record to read, and what an administrator may do about it."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from ims.admin.client_forms import ClientForm
from ims.admin.client_inlines import ClientDocumentInline, ClientSecretInline
from ims.errors import SecretEndFixed, TooManySecrets
from ims.issued_secret import IssuedSecret
from ims.models import Client
from ims.services.add_client_secret import add_client_secret
from ims.services.change_client_secret import change_client_secret
from ims.services.delete_client import delete_client
from ims.services.disable_client import disable_client
from ims.services.enable_client import enable_client
from ims.services.revoke_client_secret import revoke_client_secret
from ims.services.revoke_client_tokens import revoke_client_tokens
from ims.services.rotate_client_secret import rotate_client_secret

_OVERLAP_SECONDS: Final = 24 * 3600


# Registered by django-oauth-toolkit, which reads APPLICATION_ADMIN_CLASS from the settings.
class ClientAdmin(ModelAdmin):
    """The master record of every application; no digest is ever shown.

    What a client declares of itself stays its own to change (RFC 7592); here it can be trusted,
    stopped, emptied of tokens, given a new secret or deleted, always through the services.
    """

    form = ClientForm
    inlines = (ClientSecretInline, ClientDocumentInline)
    list_display = (
        "client_id",
        "name",
        "client_type",
        "registration_source",
        "state",
        "last_used_at",
    )
    view_on_site = False
    list_filter = ("client_type", "registration_source", "policy", "is_first_party")
    search_fields = ("client_id", "name")
    ordering = ("-created",)
    declared = (
        "client_id",
        "name",
        "client_type",
        "token_endpoint_auth_method",
        "grant_types",
        "response_types",
        "redirect_uris",
        "post_logout_redirect_uris",
        "metadata",
    )
    history = (
        "registration_source",
        "registered_with",
        "created",
        "updated",
        "last_used_at",
        "unused_warned_at",
        "disabled_at",
    )
    readonly_fields = (*declared, *history)
    fieldsets = (
        ("Decided here", {"fields": ("is_first_party", "scopes", "policy")}),
        ("Declared by the client", {"fields": declared}),
        ("Its life", {"fields": history}),
    )
    actions = (
        "disable",
        "enable",
        "revoke_tokens",
        "add_secret",
        "rotate_secret",
        "rotate_secret_with_overlap",
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Clients come by registration or from the bootstrap, so that the rules always ran."""
        del request
        return False

    def get_deleted_objects(
        self, objs: Iterable[Client], request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Name the clients only: their tokens may be many, and nobody deletes those by hand."""
        del request
        names = [str(client) for client in objs]
        return names, {"clients": len(names)}, set(), []

    def delete_model(self, request: HttpRequest, obj: Client) -> None:
        """Delete by the service, which also tells the gateways."""
        del request
        delete_client(client=obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Client]) -> None:
        """Delete each by the service."""
        del request
        for client in queryset:
            delete_client(client=client)

    def save_model(
        self,
        request: HttpRequest,
        obj: Client,
        form: object,
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        """Save the editable members only: the rest may have changed since the page was read."""
        del request, form, change
        obj.save(update_fields=["scopes", "is_first_party", "policy", "updated"])

    def save_formset(
        self,
        request: HttpRequest,
        form: object,
        formset: Any,
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        """End the secrets that were chosen; label others, and let them end sooner."""
        del form, change
        formset.save(commit=False)
        for secret in formset.deleted_objects:
            revoke_client_secret(secret=secret)
        for secret, _ in formset.changed_objects:
            try:
                change_client_secret(
                    secret_id=secret.pk, label=secret.label, expires_at=secret.expires_at
                )
            except SecretEndFixed as error:  # it was changed since the form was checked
                messages.error(request, str(error))

    @admin.display(description="state")
    def state(self, client: Client) -> str:
        """Return whether the client may authenticate."""
        return "disabled" if client.disabled_at else "enabled"

    @admin.action(description="Disable and revoke every token", permissions=["change"])
    def disable(self, request: HttpRequest, queryset: QuerySet[Client]) -> None:
        """Refuse the chosen clients everywhere; gateways follow within a second."""
        for client in queryset:
            disable_client(client=client)
        messages.success(request, "Disabled; gateways refuse their tokens from now on.")

    @admin.action(description="Enable", permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[Client]) -> None:
        """Let the chosen clients authenticate again."""
        for client in queryset:
            enable_client(client=client)
        messages.success(request, "Enabled; they need new tokens.")

    @admin.action(description="Revoke every token", permissions=["change"])
    def revoke_tokens(self, request: HttpRequest, queryset: QuerySet[Client]) -> None:
        """End every grant and access token of the chosen clients."""
        revoked = sum(revoke_client_tokens(client=client) for client in queryset)
        messages.success(request, f"{revoked} access tokens revoked, and every grant.")

    @admin.action(description="Add a secret (to one client)", permissions=["change"])
    def add_secret(self, request: HttpRequest, queryset: QuerySet[Client]) -> None:
        """Show one more secret once; the ones before go on until they are deleted."""
        self._show_secret(request, queryset, add_client_secret)

    @admin.action(description="Rotate the secret (of one client)", permissions=["change"])
    def rotate_secret(self, request: HttpRequest, queryset: QuerySet[Client]) -> None:
        """Show a new secret once; the ones before end. By POST, as every change should be."""
        self._show_secret(request, queryset, rotate_client_secret)

    @admin.action(
        description="Rotate the secret, former ones end in 24 hours (one client)",
        permissions=["change"],
    )
    def rotate_secret_with_overlap(self, request: HttpRequest, queryset: QuerySet[Client]) -> None:
        """Show a new secret once; whoever holds a former one has a day to change."""
        rotate = partial(rotate_client_secret, overlap_seconds=_OVERLAP_SECONDS)
        self._show_secret(request, queryset, rotate)

    def _show_secret(
        self,
        request: HttpRequest,
        queryset: QuerySet[Client],
        make: Callable[..., IssuedSecret],
    ) -> None:
        clients = list(queryset)
        if len(clients) != 1:
            messages.error(request, "Select one client: its new secret is shown only once.")
        elif not clients[0].has_secrets:
            messages.error(request, "This client authenticates without a secret.")
        else:
            try:
                issued = make(client=clients[0], label="admin")
            except TooManySecrets as error:
                messages.error(request, str(error))
                return
            messages.warning(request, f"Copy it now, it is not shown again: {issued.secret}")
