"""The portal's own client at the token service, as `register_portal_client` left it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from django.conf import settings

from portal.errors import PortalNotRegistered

SCOPE: Final = "openid profile email"


@dataclass(frozen=True, slots=True)
class OwnClient:
    client_id: str
    client_secret: str
    registration_client_uri: str
    registration_access_token: str
    redirect_uri: str

    @property
    def credentials(self) -> tuple[str, str]:
        return self.client_id, self.client_secret


def client_file() -> Path:
    """Where the answer of the registration endpoint is kept, mode 0600."""
    return Path(settings.SECRETS_DIR) / "portal-client.json"


def callback_url() -> str:
    return f"{settings.ISSUER}/login/callback/"


def find_own_client() -> OwnClient | None:
    """Return the portal's client, or None before the portal was registered."""
    document = _read_json(client_file())
    if document is None or not document.get("client_id"):
        return None
    return OwnClient(
        client_id=str(document["client_id"]),
        client_secret=str(document.get("client_secret", "")),
        registration_client_uri=str(document.get("registration_client_uri", "")),
        registration_access_token=str(document.get("registration_access_token", "")),
        redirect_uri=str(next(iter(document.get("redirect_uris") or ()), "")),
    )


def get_own_client() -> OwnClient:
    client = find_own_client()
    if client is None:
        raise PortalNotRegistered("The portal is not registered at the token service yet.")
    return client


def get_initial_access_token() -> str:
    """Return the permission to register clients (RFC 7591 §1.2)."""
    document = _read_json(Path(settings.SECRETS_DIR) / "portal-initial-access-token.json")
    token = (document or {}).get("initial_access_token")
    if not isinstance(token, str) or not token:
        raise PortalNotRegistered("The portal has no permission to register applications yet.")
    return token


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None
