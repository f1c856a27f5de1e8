"""Forms of clients and their policies: what may be set, in the words of the mistake."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.contrib.postgres.forms import SimpleArrayField
from django.utils import timezone
from unfold.widgets import UnfoldAdminTextInputWidget

from ims.checks.host_patterns import is_host_pattern
from ims.errors import SecretEndFixed
from ims.models import Client, ClientSecret, InitialAccessToken, RegistrationPolicy
from ims.registration_limits import (
    STRANGERS_AUTH_METHODS,
    STRANGERS_GRANT_TYPES,
    SUPPORTED_GRANT_TYPES,
)
from ims.services.change_client_secret import check_secret_end


def _words(help_text: str, label: str | None = None, *, required: bool = False) -> SimpleArrayField:
    return SimpleArrayField(
        forms.CharField(),
        label=label,
        required=required,
        help_text=f"{help_text} Separated by commas.",
        widget=UnfoldAdminTextInputWidget,
    )


class ClientForm(forms.ModelForm):  # type: ignore[type-arg]  # no generics at run time
    """The two members of a client that are an administrator's to set, and its policy."""

    scopes = _words("What it may ask for. Empty: every scope that is open to registered clients.")

    class Meta:
        model = Client
        fields = ("is_first_party", "scopes", "policy")

    def clean_is_first_party(self) -> bool:
        """Whoever owns a web page can publish a metadata document: people are always asked."""
        is_first_party = bool(self.cleaned_data["is_first_party"])
        if is_first_party and self.instance.registration_source == "cimd":
            raise forms.ValidationError("A metadata document makes nobody our first party.")
        return is_first_party


class ClientSecretForm(forms.ModelForm):  # type: ignore[type-arg]  # no generics at run time
    """A secret's label and its end, which only ever comes closer."""

    class Meta:
        model = ClientSecret
        fields = ("label", "expires_at")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        end = self.instance.expires_at
        if end is not None and end <= timezone.now():
            for name in ("label", "expires_at"):
                self.fields[name].disabled = True  # what is posted for them counts for nothing

    def clean_expires_at(self) -> datetime | None:
        """Refuse what would let the secret live on; a row that was left alone is no change."""
        expires_at: datetime | None = self.cleaned_data["expires_at"]
        if "expires_at" not in self.changed_data:  # the page shows whole seconds
            kept: datetime | None = self.instance.expires_at
            return kept
        try:
            check_secret_end(secret=self.instance, expires_at=expires_at)
        except SecretEndFixed as error:
            raise forms.ValidationError(str(error)) from error
        return expires_at


class InitialAccessTokenForm(forms.ModelForm):  # type: ignore[type-arg]  # no generics at run time
    """What clients registered with the token may ask for."""

    allowed_grant_types = _words(f"Of {', '.join(SUPPORTED_GRANT_TYPES)}.", required=True)
    allowed_scopes = _words("Empty: every scope but the platform's own.")

    class Meta:
        model = InitialAccessToken
        fields = (
            "label",
            "allowed_grant_types",
            "allowed_scopes",
            "policy",
            "uses_left",
            "expires_at",
        )

    def clean_allowed_grant_types(self) -> list[str]:
        """Name every entry that means nothing."""
        names: list[str] = self.cleaned_data["allowed_grant_types"]
        for name in names:
            if name not in SUPPORTED_GRANT_TYPES:
                raise forms.ValidationError(f"{name} is not possible.")
        return names


class RegistrationPolicyForm(forms.ModelForm):  # type: ignore[type-arg]  # no generics at run time
    """A policy, with lists that hold known names only."""

    allowed_grant_types = _words("Empty: every one that the source may have.")
    allowed_auth_methods = _words("Empty: every method.", "Allowed authentication methods")
    allowed_scopes = _words("Empty: every scope but the platform's own.")
    allowed_redirect_hosts = _words(
        "app.example, or *.app.example for every host below it; a private scheme stands for itself"
        " (com.example.app). Empty: every host."
    )
    trusted_document_hosts = _words(
        "Hosts whose metadata documents are read, as above. Empty: every public host."
    )
    refused_document_hosts = _words("Hosts whose metadata documents are never read, as above.")

    _HOSTS: ClassVar = (
        "allowed_redirect_hosts",
        "trusted_document_hosts",
        "refused_document_hosts",
    )

    class Meta:
        model = RegistrationPolicy
        fields = (
            "name",
            "is_enabled",
            "allowed_grant_types",
            "allowed_auth_methods",
            "allowed_scopes",
            "allowed_redirect_hosts",
            "trusted_document_hosts",
            "refused_document_hosts",
            "most_clients",
            "most_per_hour",
            "secret_lifetime_days",
            "remove_unused_after_days",
        )

    def clean(self) -> dict[str, Any]:
        """Name every entry that means nothing: it would only look like a bound."""
        cleaned: dict[str, Any] = super().clean() or {}
        is_strangers = self.instance.source != RegistrationPolicy.Source.TOKEN
        grants = STRANGERS_GRANT_TYPES if is_strangers else SUPPORTED_GRANT_TYPES
        methods = STRANGERS_AUTH_METHODS if is_strangers else Client.AuthMethod.values
        self._check_names("allowed_grant_types", grants)
        self._check_names("allowed_auth_methods", methods)
        self._check_names("allowed_scopes", None)
        for name in self._HOSTS:
            self._check_hosts(name)
        return cleaned

    def _check_names(self, field: str, known: Collection[str] | None) -> None:
        for entry in self.cleaned_data.get(field) or ():
            if known is None and entry in Client.RESERVED_SCOPES:
                self.add_error(field, f"{entry} is the platform's own.")
            if known is not None and entry not in known:
                self.add_error(field, f"{entry} is not possible; choose from {', '.join(known)}.")

    def _check_hosts(self, field: str) -> None:
        for entry in self.cleaned_data.get(field) or ():
            if not is_host_pattern(entry):
                self.add_error(field, f"{entry} is no host name in lower case, nor *. and one.")
