"""RFC 7662: the vocabulary of introspection, and the phantom token exchange on top of it."""

import base64
import re
from typing import Final
from urllib.parse import quote

# `Accept` of the three forms of an answer.
JSON_MEDIA_TYPE: Final = "application/json"
PHANTOM_JWT_MEDIA_TYPE: Final = "application/jwt"  # 200 with the JWT, or 204 when inactive

# RFC 9701 §4: about the token, for the caller alone; never a token itself.
INTROSPECTION_JWT_MEDIA_TYPE: Final = "application/token-introspection+jwt"

# Our extension: which protected resource (RFC 8707 identifier) the caller asks for.
RESOURCE_PARAMETER: Final = "resource"

_MAX_AGE: Final = re.compile(r"(?:^|[,\s])max-age=\"?(\d{1,9})")


def read_max_age(cache_control: bytes) -> float | None:
    """Return how many seconds an answer may be kept (RFC 9111 §5.2.2); None: nothing is said."""
    text = cache_control.decode("latin-1").lower()
    if "no-store" in text or "no-cache" in text:
        return 0.0
    found = _MAX_AGE.search(text)
    return float(found[1]) if found else None


def basic_credentials(client_id: str, secret: str) -> bytes:
    """Return the Authorization field of a client (RFC 6749 §2.3.1: both are form-encoded)."""
    pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"
    return b"Basic " + base64.b64encode(pair.encode())
