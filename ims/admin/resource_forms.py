"""The forms of a protected resource: its JWT, its claims, and what they come to."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
)

from ims.checks.jwt_settings import MEMBERS, JWTSettings, parse_jwt_settings
from ims.claim_sources import CLAIM_SOURCES, is_mappable
from ims.models import ClaimMapping, Client, Consent, ProtectedResource, User
from wire.oauth_errors import InvalidRequest


class JWKSField(forms.JSONField):
    """JSON in a small box, which is empty where there is none."""

    widget = UnfoldAdminTextareaWidget(attrs={"rows": 6, "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        """Return what the box shows."""
        return "" if value is None else super().prepare_value(value)


class JWTSettingsForm(forms.ModelForm):  # type: ignore[type-arg]  # no generics at run time
    """How the phantom JWT is signed and encrypted; `settings` is what was checked."""

    settings: JWTSettings
    jwks = JWKSField(
        label="JWKS", required=False, help_text="The API's public keys, when it has no address."
    )

    class Meta:
        model = ProtectedResource
        fields = MEMBERS

    def clean(self) -> dict[str, Any]:
        """Apply the rules of the declaration over HTTP, so that there is one set of rules."""
        cleaned = super().clean() or {}
        document = {name: cleaned.get(name) for name in MEMBERS}
        if document["jwks_uri"] and "jwks" not in self.changed_data:
            document["jwks"] = None  # the page shows what was read from the address
        try:
            settings = parse_jwt_settings(document)
        except InvalidRequest as error:
            member, _, text = error.description.partition(": ")
            self.add_error(member, text)
        else:
            self.settings = settings or JWTSettings()
        return cleaned


class ClaimMappingForm(forms.ModelForm):  # type: ignore[type-arg]
    """One row: an attribute and the name of the claim that it becomes."""

    source = forms.ChoiceField(
        choices=[(source.name, source.label) for source in CLAIM_SOURCES.values()],
        widget=UnfoldAdminSelectWidget,
    )

    class Meta:
        model = ClaimMapping
        fields = ("source", "claim")

    def clean_claim(self) -> str:
        """Refuse names that the token service alone gives a meaning."""
        claim: str = self.cleaned_data["claim"]
        if not is_mappable(claim):
            raise forms.ValidationError(
                "Choose a name of letters, digits and _.:/#~- that starts with a letter or _ and is"
                " no claim of the token service (iss, sub, aud, scope, act, cnf, username ...)."
            )
        return claim


class ClaimsPreviewForm(forms.Form):
    """For whom the preview is made."""

    client = forms.ModelChoiceField(
        Client.objects.all(),
        widget=AutocompleteSelect(Consent._meta.get_field("client"), admin.site),  # noqa: SLF001 - Django's documented door to a field
    )
    user = forms.ModelChoiceField(
        User.objects.all(),
        required=False,
        widget=AutocompleteSelect(Consent._meta.get_field("user"), admin.site),  # noqa: SLF001
        help_text="Nobody: the client's own token (client credentials).",
    )
    scopes = forms.MultipleChoiceField(
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="None: all of them.",
    )

    def __init__(self, *args: Any, protected_resource: ProtectedResource, **options: Any) -> None:
        super().__init__(*args, **options)
        names = list(protected_resource.scopes.order_by("name").values_list("name", flat=True))
        self.fields["scopes"].choices = [(name, name) for name in names]  # type: ignore[attr-defined]
        self._all_scopes = names

    def clean_scopes(self) -> list[str]:
        """Return the scopes chosen, or all."""
        return self.cleaned_data["scopes"] or self._all_scopes
