"""A developer's application becomes a client of the token service (RFC 7591)."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from portal import ims_client
from portal.credential_cipher import encrypt_credential
from portal.errors import PortalError
from portal.models import Application, Developer
from portal.own_client import get_initial_access_token


@dataclass(frozen=True, slots=True)
class RegisteredApplication:
    """The secret is here and nowhere else: it is shown once and never stored."""

    application: Application
    client_id: str
    client_secret: str


def register_application(
    *,
    developer: Developer,
    name: str,
    redirect_uris: Sequence[str] = (),
    grant_types: Sequence[str] = ("client_credentials",),
    scope: str = "",
    token_endpoint_auth_method: str = "client_secret_basic",  # noqa: S107 - a method's name
) -> RegisteredApplication:
    """Return the application with its credentials, registered at the token service.

    Raises RegistrationRefused with the field to mend, TokenServiceUnavailable.
    A client that could not be noted here is removed there again, so none is orphaned.
    """
    metadata: dict[str, Any] = {
        "client_name": name,
        "grant_types": list(grant_types),
        "response_types": ["code"] if "authorization_code" in grant_types else [],
        "redirect_uris": list(redirect_uris),
        "token_endpoint_auth_method": token_endpoint_auth_method,
    }
    if scope:
        metadata["scope"] = scope
    if developer.email:
        metadata["contacts"] = [developer.email]  # who is told before an unused client goes
    service = ims_client.get_token_service()
    registration = service.register_client(
        metadata, initial_access_token=get_initial_access_token()
    )
    try:
        application = Application.objects.create(
            developer=developer,
            name=name,
            client_id=registration.client_id,
            registration_client_uri=registration.registration_client_uri,
            registration_access_token_encrypted=encrypt_credential(
                registration.registration_access_token, client_id=registration.client_id
            ),
        )
    except Exception:
        with suppress(PortalError):
            service.delete_client(
                uri=registration.registration_client_uri,
                token=registration.registration_access_token,
            )
        raise
    return RegisteredApplication(application, registration.client_id, registration.client_secret)
