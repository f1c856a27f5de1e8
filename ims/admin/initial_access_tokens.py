"""Initial access tokens in admin: made here, shown once."""

from django.contrib import messages
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from ims.admin.client_forms import InitialAccessTokenForm
from ims.models import InitialAccessToken
from ims.services.provision_initial_access_token import provision_initial_access_token


class InitialAccessTokenAdmin(ModelAdmin):
    """Permission to register clients (RFC 7591 §1.2). Deleting one ends it."""

    list_display = (
        "label",
        "allowed_grant_types",
        "policy",
        "uses_left",
        "expires_at",
        "created_at",
    )
    list_select_related = ("policy",)
    search_fields = ("label",)
    form = InitialAccessTokenForm

    def save_model(
        self,
        request: HttpRequest,
        obj: InitialAccessToken,
        form: object,
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        """Save a change as usual; a new one is made by the service, and its token shown once."""
        if change:
            super().save_model(request, obj, form, change)
            return
        made = provision_initial_access_token(
            label=obj.label,
            grant_types=obj.allowed_grant_types,
            scopes=obj.allowed_scopes,
            uses_left=obj.uses_left,
            expires_at=obj.expires_at,
            policy=obj.policy,
        )
        obj.pk, obj.digest = made.record.pk, made.record.digest
        messages.warning(request, f"Copy it now, it is not shown again: {made.token}")
