"""RFC 9449 §8: nonces that no process stores and every process knows."""

import hashlib
import hmac
import time
from functools import lru_cache
from typing import Final

from django.conf import settings
from django.utils.encoding import force_bytes

from ims.signing_algorithms import base64url

# A nonce is good in its window and in the next one: for two to four minutes.
WINDOW_SECONDS: Final = 120
LONGEST_LIFE_SECONDS: Final = 2 * WINDOW_SECONDS
_PURPOSE: Final = b"tollgate dpop nonce v1"
_OCTETS: Final = 16


def get_nonce() -> str:
    """Return the nonce of the present window; the same for everybody."""
    return _make(_window())


def is_ours(nonce: str) -> bool:
    """Whether `nonce` is of this window, the one before, or the next (by another clock of ours)."""
    window = _window()
    known = [_make(window + offset) for offset in (0, -1, 1)]
    given = nonce.encode("utf-8", "replace")
    return any(hmac.compare_digest(given, one.encode()) for one in known)


def is_latest(nonce: str) -> bool:
    """Whether the client need not be told a new one."""
    return hmac.compare_digest(nonce.encode("utf-8", "replace"), get_nonce().encode())


def _window() -> int:
    return int(time.time()) // WINDOW_SECONDS


def _make(window: int) -> str:
    return _derive(force_bytes(settings.SECRET_KEY), window)


@lru_cache(maxsize=8)
def _derive(secret_key: bytes, window: int) -> str:
    key = hmac.digest(secret_key, _PURPOSE, hashlib.sha256)
    return base64url(hmac.digest(key, str(window).encode(), hashlib.sha256)[:_OCTETS])
