"""RFC 9126 §2.2: the names that pushed authorization requests get."""

import hashlib
from typing import Final

PREFIX: Final = "urn:ietf:params:oauth:request_uri:"


def is_ours(request_uri: str) -> bool:
    """Whether `request_uri` has the form of our names; any other one is not read at all."""
    return request_uri.startswith(PREFIX)


def digest(request_uri: str) -> bytes:
    """Return the 32 bytes under which the request is kept (SHA-256)."""
    return hashlib.sha256(request_uri.encode("utf-8", "replace")).digest()
