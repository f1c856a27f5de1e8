"""RFC 9700 §4.14.2 made forgiving: a refresh token's one successor, which can be told once more.

Only digests are stored, so a successor cannot be looked up again. It is derived instead, from the
token that was presented, a salt in that token's row and a key made from SECRET_KEY: whoever reads
the database learns nothing, and whoever holds the token alone cannot tell what follows it.
"""

import hmac
import os
from functools import lru_cache
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.encoding import force_bytes

from wire import bearer

_SALT_BYTES: Final = 32
_PURPOSE: Final = b"tollgate ims refresh token succession v1"


def new_salt() -> bytes:
    """Return 32 random bytes, drawn as a token is used for the first time."""
    return os.urandom(_SALT_BYTES)


def derive_successor(token: str, *, salt: bytes) -> str:
    """Return the refresh token that follows `token`."""
    return _derive(token, salt, settings.SECRET_KEY)


def list_possible_successors(token: str, *, salt: bytes) -> list[str]:
    """Return what may follow `token`: it was derived under SECRET_KEY or one of its fallbacks."""
    return [
        _derive(token, salt, secret)
        for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    ]


def _derive(token: str, salt: bytes, secret: str | bytes) -> str:
    derived = hmac.digest(_succession_key(force_bytes(secret)), salt + token.encode(), "sha256")
    return bearer.spell(bearer.Prefix.REFRESH_TOKEN, derived)


@lru_cache(maxsize=4)
def _succession_key(secret: bytes) -> bytes:
    """Return 32 bytes derived from a SECRET_KEY for this one purpose (RFC 5869)."""
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret)
