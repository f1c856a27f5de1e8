"""Registration policies in admin: who may bring in clients, and of what kind."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from ims.admin.client_forms import RegistrationPolicyForm
from ims.models import Client, RegistrationPolicy
from ims.services.ensure_registration_policy import ensure_registration_policy

_BOUNDS = (
    "allowed_grant_types",
    "allowed_auth_methods",
    "allowed_scopes",
    "allowed_redirect_hosts",
)
_DOCUMENT_BOUNDS = ("trusted_document_hosts", "refused_document_hosts")


class RegistrationPolicyAdmin(ModelAdmin):
    """Bounds of a source of registrations; the two sources without a token are always here."""

    form = RegistrationPolicyForm
    list_display = ("name", "source", "is_enabled", "clients", "remove_unused_after_days")
    list_filter = ("source", "is_enabled")
    search_fields = ("name",)
    ordering = ("source", "name")

    def get_queryset(self, request: HttpRequest) -> Any:
        """Every policy; those of open registration and of documents are made on the way."""
        for source in (RegistrationPolicy.Source.OPEN, RegistrationPolicy.Source.DOCUMENT):
            ensure_registration_policy(source=source)
        return super().get_queryset(request)

    def get_fieldsets(self, request: HttpRequest, obj: RegistrationPolicy | None = None) -> Any:
        """Leave out what does not apply to the source."""
        del request
        source = RegistrationPolicy.Source.TOKEN if obj is None else obj.source
        bounds = _BOUNDS + (_DOCUMENT_BOUNDS if source == "document" else ())
        own = "secret_lifetime_days" if source == "token" else "most_per_hour"
        amounts = ("most_clients", "remove_unused_after_days", own)
        return (
            (None, {"fields": ("name", "source", "is_enabled")}),
            ("What its clients may be", {"fields": bounds}),
            ("How many, and how long", {"fields": amounts}),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: object = None) -> tuple[str, ...]:
        """Return the source: a policy stays with it, and a new one is for tokens."""
        del request, obj
        return ("source",)

    def has_delete_permission(
        self, request: HttpRequest, obj: RegistrationPolicy | None = None
    ) -> bool:
        """Whether `obj` may go: the two that always are may not."""
        if obj is not None and obj.source != RegistrationPolicy.Source.TOKEN:
            return False
        return bool(super().has_delete_permission(request, obj))

    @admin.display(description="Live clients")
    def clients(self, policy: RegistrationPolicy) -> int:
        """Return how many clients stand under it; one query a row, of which there are few."""
        return Client.objects.filter(policy=policy, disabled_at=None).count()
