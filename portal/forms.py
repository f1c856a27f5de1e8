"""The portal's forms. Each error sits at the field that mends it."""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from django import forms

from ams.errors import AlreadySubscribed
from portal.errors import RegistrationRefused
from portal.models import Application
from portal.once import new_submission

T = TypeVar("T")
NEW_APPLICATION: Final = "new"
_LOOPBACK: Final = {"localhost", "127.0.0.1", "::1"}
_MAX_REDIRECT_URIS: Final = 10

GRANT_TYPES: Final = {
    "server": ("client_credentials",),
    "web": ("authorization_code", "refresh_token"),
}
KIND_CHOICES: Final = (
    ("server", "Server to server"),
    ("web", "Web app with users"),
)
KIND_HINTS: Final = {
    "server": "A backend, job or script that acts for itself, with its own credentials.",
    "web": "People sign in and allow your app to act for them. Needs redirect URIs.",
}


def apply_form(form: forms.Form, action: Callable[[], T]) -> T | None:
    """Return the action's result, or None with the refusal shown at the field it names."""
    try:
        return action()
    except RegistrationRefused as error:
        field = error.field if error.field in form.fields else None
        form.add_error(field, str(error))
    except AlreadySubscribed:
        form.add_error(
            "application" if "application" in form.fields else None,
            "This application already has this plan. Choose another one.",
        )
    return None


class RedirectURIsField(forms.CharField):
    """One redirect URI a line: https, or http on this machine; no fragment (RFC 6749 §3.1.2)."""

    widget = forms.Textarea

    def clean(self, value: Any) -> list[str]:
        uris = list(dict.fromkeys(str(super().clean(value) or "").split()))
        if len(uris) > _MAX_REDIRECT_URIS:
            raise forms.ValidationError(f"Give at most {_MAX_REDIRECT_URIS} redirect URIs.")
        for uri in uris:
            _require_usable(uri)
        return uris


class SubmissionForm(forms.Form):
    """A step that must not happen twice: a reload of its answer sends the same token again."""

    submission = forms.CharField(widget=forms.HiddenInput, initial=new_submission, max_length=64)

    def renew_submission(self) -> None:
        """Give a refused form a fresh token, for the old one may be spent."""
        if self.is_bound:
            sent = {name: self.data.get(name) for name in self.data}
            self.data = {**sent, "submission": new_submission()}


class ApplicationForm(SubmissionForm):
    """A new application."""

    name = forms.CharField(
        max_length=100,
        help_text="People see it when they are asked to allow your app.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "Order sync"}),
    )
    kind = forms.ChoiceField(
        choices=KIND_CHOICES, widget=forms.RadioSelect, initial="server", label="What is it?"
    )
    redirect_uris = RedirectURIsField(
        required=False,
        label="Redirect URIs",
        help_text="One a line. Only for web apps: where people come back to after they sign in.",
        widget=forms.Textarea(
            attrs={
                "rows": 3,
                "spellcheck": "false",
                "placeholder": "https://app.example.com/oauth/callback",
            }
        ),
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("kind") == "web" and "redirect_uris" in data and not data["redirect_uris"]:
            self.add_error("redirect_uris", "A web app needs at least one redirect URI.")
        return data

    @property
    def grant_types(self) -> tuple[str, ...]:
        return GRANT_TYPES[self.cleaned_data["kind"]]

    @property
    def redirect_uris_sent(self) -> Sequence[str]:
        return self.cleaned_data["redirect_uris"] if self.cleaned_data["kind"] == "web" else ()


class ApplicationEditForm(forms.Form):
    """The changeable part of an application."""

    name = forms.CharField(max_length=100)
    redirect_uris = RedirectURIsField(
        label="Redirect URIs",
        help_text="One a line. The address in a sign-in request has to match one exactly.",
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, uses_redirects: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not uses_redirects:
            del self.fields["redirect_uris"]


class SubscribeForm(SubmissionForm):
    """Which application gets the plan; one may be made right here."""

    application = forms.ChoiceField(widget=forms.RadioSelect, label="Application")
    name = forms.CharField(
        max_length=100,
        required=False,
        label="Name of the new application",
        help_text="Made as “Server to server”; a web app is made under Applications.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "Order sync"}),
    )

    def __init__(self, *args: Any, applications: Sequence[Application], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["application"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 - narrows the type only
        field.choices = [
            *((str(application.id), application.name) for application in applications),
            (NEW_APPLICATION, "A new application"),
        ]
        field.initial = str(applications[0].id) if applications else NEW_APPLICATION

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("application") == NEW_APPLICATION and not data.get("name"):
            self.add_error("name", "Give the new application a name.")
        return data


def _require_usable(uri: str) -> None:
    try:
        parts = urlsplit(uri)
        host = parts.hostname or ""
    except ValueError as error:
        raise forms.ValidationError(f"{uri} is not an address.") from error
    if parts.scheme not in {"http", "https"} or not host:
        raise forms.ValidationError(f"{uri} has to be a whole https:// address.")
    if parts.scheme == "http" and host not in _LOOPBACK:
        raise forms.ValidationError(f"{uri} has to use https; http is for localhost only.")
    if parts.fragment or "#" in uri:
        raise forms.ValidationError(f"{uri} must not have a fragment (#…).")
    if "@" in parts.netloc or "*" in uri:
        raise forms.ValidationError(f"{uri} must be exact: no user name and no wildcard.")
