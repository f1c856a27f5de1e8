"""What belongs to a client on its page in admin."""

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import StackedInline, TabularInline

from ims.admin.client_forms import ClientSecretForm
from ims.models import Client, ClientDocument, ClientSecret


class ClientSecretInline(TabularInline):
    """Its secrets, of which only digests are known; deleting one ends it (through the service)."""

    model = ClientSecret
    form = ClientSecretForm
    fields = ("label", "expires_at", "created_at", "state")
    readonly_fields = ("created_at", "state")
    extra = 0
    max_num = 0
    ordering = ("-created_at",)
    hide_title = True
    verbose_name_plural = (
        "secrets (label them, let them end sooner, delete one to end it now;"
        " the actions of the list make new ones)"
    )

    def has_view_permission(self, request: HttpRequest, obj: Client | None = None) -> bool:
        """Whether the page is of a client that authenticates with secrets."""
        return self._may(obj) and bool(super().has_view_permission(request, obj))

    def has_change_permission(self, request: HttpRequest, obj: Client | None = None) -> bool:
        """Whether the page is of a client that authenticates with secrets."""
        return self._may(obj) and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Client | None = None) -> bool:
        """Whether the page is of a client that authenticates with secrets."""
        return self._may(obj) and bool(super().has_delete_permission(request, obj))

    @staticmethod
    def _may(client: Client | None) -> bool:
        return client is None or client.has_secrets

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Nobody adds a row: a new secret must be shown."""
        del request, obj
        return False

    @admin.display(description="state")
    def state(self, secret: ClientSecret) -> str:
        """Return whether it opens anything."""
        is_over = secret.expires_at is not None and secret.expires_at <= timezone.now()
        return "expired" if is_over else "live"


class ClientDocumentInline(StackedInline):
    """Where its record comes from."""

    model = ClientDocument
    fields = readonly_fields = ("read_at", "fresh_until", "withdrawn_at", "problem")
    can_delete = False
    max_num = 0
    hide_title = True
    verbose_name = verbose_name_plural = "metadata document"

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Nobody."""
        del request, obj
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Nobody."""
        del request, obj
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Nobody."""
        del request, obj
        return False

    def has_view_permission(self, request: HttpRequest, obj: Client | None = None) -> bool:
        """Whether the page is of a client that has one."""
        if obj is not None and obj.registration_source != Client.RegistrationSource.CIMD:
            return False
        return bool(super().has_view_permission(request, obj))
