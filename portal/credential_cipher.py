"""Registration access tokens at rest: AES-256-GCM with a key derived from SECRET_KEY.

The key is HKDF-SHA256 (RFC 5869) of the secret, so it is used for nothing else.
The client id is bound in as associated data: a row's ciphertext fits no other row.
"""

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from portal.errors import CredentialUnreadable

_NONCE_BYTES: Final = 12
_PURPOSE: Final = b"tollgate portal registration access token v1"


def encrypt_credential(plain: str, *, client_id: str) -> bytes:
    """Return nonce and ciphertext of `plain`, readable for this client only."""
    nonce = os.urandom(_NONCE_BYTES)
    cipher = AESGCM(_derive_key(settings.SECRET_KEY))
    return nonce + cipher.encrypt(nonce, plain.encode(), client_id.encode())


def decrypt_credential(sealed: bytes, *, client_id: str) -> str:
    """Return what was sealed. Tries the previous secret keys too. Raises CredentialUnreadable."""
    nonce, body = bytes(sealed[:_NONCE_BYTES]), bytes(sealed[_NONCE_BYTES:])
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        try:
            return AESGCM(_derive_key(secret)).decrypt(nonce, body, client_id.encode()).decode()
        except (InvalidTag, ValueError):
            continue
    raise CredentialUnreadable(
        "The portal cannot read its credential for this application. "
        "An administrator has to restore the installation's secret key."
    )


def _derive_key(secret: str | bytes) -> bytes:
    material = secret if isinstance(secret, bytes) else secret.encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(material)
