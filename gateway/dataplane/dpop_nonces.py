"""RFC 9449 §9: nonces of the gateway that no worker stores and every worker knows."""

import base64
import hashlib
import hmac
import time
from typing import Final

# A nonce is good in its window and in the next one: for two to four minutes.
WINDOW_SECONDS: Final = 120
LONGEST_LIFE_SECONDS: Final = 2 * WINDOW_SECONDS
_PURPOSE: Final = b"tollgate gateway dpop nonce v1"
_OCTETS: Final = 16


class DPoPNonces:
    """The nonces of all workers and nodes that have the same secret."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, _PURPOSE, hashlib.sha256)

    def latest(self) -> str:
        """Return the nonce of the present window; the same for everybody."""
        return self._make(_window())

    def is_ours(self, nonce: str) -> bool:
        """Whether `nonce` is of this window, the one before, or the next (another node's clock)."""
        window = _window()
        given = nonce.encode("utf-8", "replace")
        known = [self._make(window + offset).encode() for offset in (0, -1, 1)]
        return any(hmac.compare_digest(given, one) for one in known)

    def _make(self, window: int) -> str:
        octets = hmac.digest(self._key, str(window).encode(), hashlib.sha256)[:_OCTETS]
        return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _window() -> int:
    return int(time.time()) // WINDOW_SECONDS
