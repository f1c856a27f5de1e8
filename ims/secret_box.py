"""Text that rests encrypted under a key derived from SECRET_KEY (AES-256-GCM, RFC 5869)."""

import base64
import os
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.encoding import force_bytes

from ims.errors import UnopenedSecret

# No secret that was stored in the clear begins with it: base32 and hexadecimal have no dot.
_MARK: Final = "v1."
_NONCE_BYTES: Final = 12  # NIST SP 800-38D §8.2.2: 96 bits, drawn at random for each text


def seal(text: str, *, purpose: str) -> str:
    """Return `text` encrypted for `purpose` only."""
    nonce = os.urandom(_NONCE_BYTES)
    box = AESGCM(_derive(force_bytes(settings.SECRET_KEY), purpose))
    sealed = nonce + box.encrypt(nonce, text.encode(), None)
    return _MARK + base64.b64encode(sealed).decode()


def open_sealed(stored: str, *, purpose: str) -> str:
    """Return the text; what was never sealed is returned as it is. Raises UnopenedSecret.

    Opens with the present SECRET_KEY and with those of SECRET_KEY_FALLBACKS.
    """
    if not stored.startswith(_MARK):
        return stored
    sealed = base64.b64decode(stored.removeprefix(_MARK))
    nonce, ciphertext = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        try:
            return (
                AESGCM(_derive(force_bytes(secret), purpose))
                .decrypt(nonce, ciphertext, None)
                .decode()
            )
        except InvalidTag:
            continue
    raise UnopenedSecret


@lru_cache(maxsize=8)
def _derive(secret: bytes, purpose: str) -> bytes:
    info = f"tollgate ims {purpose}".encode()
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=info).derive(secret)
