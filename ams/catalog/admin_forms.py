"""Forms of the catalog in admin: what a field is for, not whether its value is usable."""

from typing import Any, ClassVar

from django import forms
from django.contrib.postgres.forms import SimpleArrayField
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from ams.catalog.checks.api import METHODS
from ams.catalog.models import API, Issuer, Operation, Target, Upstream
from ams.catalog.queries.spec_of import spec_of_resource
from ams.catalog.services.import_openapi import MOST_CHARACTERS
from ams.catalog.specs import IssuerClientSpec
from ams.service_admin import RowForm, ServiceForm


def _words(label: str, help_text: str) -> SimpleArrayField:
    return SimpleArrayField(
        forms.CharField(),
        label=label,
        required=False,
        help_text=f"{help_text} Separated by commas.",
        widget=UnfoldAdminTextInputWidget,
    )


class UpstreamForm(ServiceForm):
    url = forms.CharField(
        label="URL",
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="http://host:port or https://host/prefix. Empty where targets are listed below.",
    )
    health_check_on_save = forms.BooleanField(
        label="Check on save",
        required=False,
        initial=True,
        widget=UnfoldBooleanSwitchWidget,
        help_text="Refuse to save what does not answer. Off where only gateways reach it.",
    )

    class Meta:
        model = Upstream
        fields = (
            "slug",
            "url",
            "allow_internal",
            "connect_timeout_seconds",
            "first_byte_timeout_seconds",
            "idle_timeout_seconds",
            "total_timeout_seconds",
            "ca_pem",
            "health_path",
            "health_interval_seconds",
            "health_timeout_seconds",
            "health_healthy_after",
            "health_unhealthy_after",
            "health_check_on_save",
            "eject_after",
            "ejection_seconds",
        )


class TargetForm(RowForm):
    url = forms.CharField(
        label="URL",
        widget=UnfoldAdminTextInputWidget,
        help_text="http://host:port or https://host/prefix",
    )

    class Meta:
        model = Target
        fields = ("url", "weight")


class IssuerForm(ServiceForm):
    issuer = forms.CharField(
        widget=UnfoldAdminTextInputWidget,
        help_text="The `iss` of its tokens, as https://login.example.",
    )
    algorithms = _words("Algorithms", "Of ES256, ES384, RS256, PS256, EdDSA.")
    clients = forms.CharField(
        required=False,
        widget=UnfoldAdminTextareaWidget,
        help_text="A line each: its client id, a space, and the client id that is subscribed."
        " Without a line a client is subscribed as slug:client-id.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = self.instance.clients
        self.initial["clients"] = "\n".join(f"{r['client_id']} {r['subscribed_as']}" for r in rows)

    def clean_clients(self) -> tuple[IssuerClientSpec, ...]:
        """Return the rows; a line without two words is told by its number."""
        lines = enumerate(str(self.cleaned_data["clients"]).splitlines(), start=1)
        words = [(at, line.split()) for at, line in lines if line.strip()]
        for at, line in words:
            if len(line) != 2:
                raise forms.ValidationError(f"Line {at} is not two client ids.")
        return tuple(IssuerClientSpec(client_id=a, subscribed_as=b) for _, (a, b) in words)

    class Meta:
        model = Issuer
        fields = (
            "slug",
            "issuer",
            "jwks_uri",
            "audience",
            "algorithms",
            "scope_claim",
            "client_id_claim",
            "clients",
            "ca_pem",
        )


class APIForm(ServiceForm):
    resource = forms.CharField(
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="What tokens are made for. Empty: the gateway's URL and the base path.",
    )
    documentation_url = forms.CharField(
        label="Documentation URL",
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="For developers, outside the portal. Clients find it in the API's metadata.",
    )
    tags = _words("Tags", "For the search in the portal.")
    claims = _words("Claims", "Claims of the user that the upstream finds in its JWT.")
    websocket_origins = _words(
        "WebSocket origins", "Pages that may open one, as https://app.example; empty: any."
    )

    cors_origins = _words("Origins", "Pages that may call, as https://app.example; or * for any.")
    cors_methods = _words("Methods", "Empty: those that the path has.")
    cors_headers = _words("Request headers", "Beside authorization, content-type and dpop.")
    cors_exposed_headers = _words("Exposed headers", "Of answers, beside the gateway's own.")
    acr_values = _words("Authentication", "`acr` values, one of which the token must have.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Written out, the default would stay behind when the base path changes.
        self.initial["resource"] = spec_of_resource(self.instance)

    class Meta:
        model = API
        fields = (
            "name",
            "slug",
            "version",
            "state",
            "summary",
            "description",
            "documentation_url",
            "tags",
            "base_path",
            "upstream",
            "resource",
            "claims",
            "max_body_bytes",
            "allow_encoded_slash",
            "allow_websocket",
            "websocket_origins",
            "websocket_idle_seconds",
            "cors_origins",
            "cors_methods",
            "cors_headers",
            "cors_exposed_headers",
            "cors_credentials",
            "cors_max_age_seconds",
            "acr_values",
            "max_auth_age_seconds",
            "requires_bound_tokens",
            "requires_dpop_nonce",
            "issuers",
        )


class OperationForm(RowForm):
    method = forms.ChoiceField(
        choices=[(name, name) for name in METHODS], widget=UnfoldAdminSelectWidget
    )
    scopes = _words("Scopes", "All are required.")
    acr_values = _words("acr", "`acr` values instead of the API's.")

    class Meta:
        model = Operation
        fields = (
            "operation_id",
            "method",
            "path",
            "summary",
            "scopes",
            "acr_values",
            "max_auth_age_seconds",
        )
        # Seven columns: the long words are in the help.
        labels: ClassVar[dict[str, str]] = {"max_auth_age_seconds": "Max age"}
        help_texts: ClassVar[dict[str, str]] = {
            "max_auth_age_seconds": "Seconds since the user signed in, instead of the API's."
        }


class OpenAPIImportForm(forms.Form):
    """A document, as a file or pasted, and where its API belongs."""

    file = forms.FileField(
        required=False, widget=UnfoldAdminFileFieldWidget, help_text="OpenAPI 3.0 or 3.1."
    )
    text = forms.CharField(
        required=False,
        strip=False,
        widget=UnfoldAdminTextareaWidget,
        label="Or paste it here",
        help_text="JSON or YAML.",
    )
    upstream = forms.ModelChoiceField(
        Upstream.objects.order_by("slug"),
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="Where calls go. An API that exists keeps its own if none is chosen.",
    )
    slug = forms.CharField(
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="An API with this slug is changed, else a new one is made. Empty: of the title.",
    )
    base_path = forms.CharField(
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Empty: the path of the first server in the document.",
    )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        file = cleaned.get("file")
        if bool(file) == bool(cleaned.get("text")):
            raise forms.ValidationError("Choose a file or paste the document: one of the two.")
        if file:
            if file.size > 4 * MOST_CHARACTERS:
                raise forms.ValidationError("The file is too large.")
            try:
                cleaned["text"] = file.read().decode("utf-8")
            except UnicodeDecodeError as error:
                raise forms.ValidationError("The file is not text in UTF-8.") from error
        return cleaned

    def import_arguments(self) -> dict[str, Any]:
        """Return the arguments of the service."""
        cleaned = self.cleaned_data
        return {
            "text": cleaned["text"],
            "source": cleaned["file"].name if cleaned.get("file") else "document",
            "upstream": cleaned["upstream"].slug if cleaned["upstream"] else "",
            "slug": cleaned["slug"],
            "base_path": cleaned["base_path"],
        }
