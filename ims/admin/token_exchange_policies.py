"""Policies of token exchange in admin."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from ims.models import ProtectedResource, TokenExchangePolicy
from ims.queries import access


class TokenExchangePolicyForm(forms.ModelForm):  # type: ignore[type-arg]  # no generics at run time
    """Names what cannot work as it is saved, not when a client meets it."""

    class Meta:
        model = TokenExchangePolicy
        fields = "__all__"  # noqa: DJ007 - the admin page lists them

    def clean_resources(self) -> list[str]:
        """Return registered identifiers."""
        resources: list[str] = self.cleaned_data["resources"]
        known = ProtectedResource.objects.filter(resource__in=resources)
        unknown = set(resources) - set(known.values_list("resource", flat=True))
        if unknown:
            raise ValidationError(f"Not registered: {', '.join(sorted(unknown))}.")
        if any(access.is_reserved(scope="", resource=resource) for resource in resources):
            raise ValidationError("Tokens of the platform's own interfaces are never passed on.")
        return resources

    def clean_scopes(self) -> list[str]:
        """Return scopes that may be passed on."""
        scopes: list[str] = self.cleaned_data["scopes"]
        for scope in scopes:
            if access.is_reserved(scope=scope, resource="") or scope == "offline_access":
                raise ValidationError(f"{scope} is never passed on.")
        return scopes


class TokenExchangePolicyAdmin(ModelAdmin):
    """Which client may act with whose tokens (RFC 8693); without a policy nobody may."""

    form = TokenExchangePolicyForm
    list_display = ("client", "label", "may_impersonate", "may_delegate", "resources", "scopes")
    list_select_related = ("client",)
    search_fields = ("label", "client__client_id", "client__name")
    autocomplete_fields = ("client", "subject_clients")
    fieldsets = (
        (None, {"fields": ("client", "label", "may_impersonate", "may_delegate")}),
        ("What for", {"fields": ("subject_clients", "resources", "scopes")}),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        """Return the newest first."""
        return super().get_queryset(request).order_by("-pk")
