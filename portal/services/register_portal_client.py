"""The portal registers itself at the token service, like any application would (RFC 7591)."""

import json
import os
from typing import Any

from django.conf import settings

from portal import ims_client
from portal.errors import RegistrationGone
from portal.own_client import (
    SCOPE,
    OwnClient,
    callback_url,
    client_file,
    find_own_client,
    get_initial_access_token,
    get_own_client,
)


def register_portal_client() -> OwnClient:
    """Return the portal's client, registering it where there is none that works.

    Idempotent: a registration that the token service still knows, with our
    redirect URI, is kept. Raises TokenServiceUnavailable, RegistrationRefused
    and PortalNotRegistered (no initial access token).
    """
    known = find_own_client()
    if known is not None and _still_works(known):
        return known
    registration = ims_client.get_token_service().register_client(
        _describe_portal(), initial_access_token=get_initial_access_token()
    )
    _write_private(
        {
            "client_id": registration.client_id,
            "client_secret": registration.client_secret,
            "registration_client_uri": registration.registration_client_uri,
            "registration_access_token": registration.registration_access_token,
            "redirect_uris": [callback_url()],
        }
    )
    return get_own_client()


def _still_works(client: OwnClient) -> bool:
    if client.redirect_uri != callback_url():
        return False
    try:
        record = ims_client.get_token_service().read_client(
            uri=client.registration_client_uri, token=client.registration_access_token
        )
    except RegistrationGone:
        return False
    return record.client_id == client.client_id


def _describe_portal() -> dict[str, Any]:
    return {
        "client_name": "Tollgate developer portal",
        "client_uri": f"{settings.ISSUER}/",
        "redirect_uris": [callback_url()],
        "post_logout_redirect_uris": [f"{settings.ISSUER}/"],
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "client_secret_basic",
        "id_token_signed_response_alg": "ES256",
        "scope": SCOPE,
    }


def _write_private(document: dict[str, Any]) -> None:
    """Replace the file in one step; no other account can read it at any moment."""
    path = client_file()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(document, file, indent=2)
    partial.replace(path)
