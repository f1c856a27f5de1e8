"""The signing keys of this process: how they are kept at rest, and the one that signs now."""

import os
import time
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.encoding import force_bytes

from ims import conf
from ims.errors import NoSigningKey, UndecryptableKey
from ims.queries import signing_keys

_NONCE_BYTES: Final = 12  # NIST SP 800-38D §8.2.2: 96 bits, drawn at random for each key
_PURPOSE: Final = b"tollgate ims signing key at rest v1"


@dataclass(frozen=True, slots=True)
class ActiveKey:
    """The key that signs now. `read_again_at` is on the monotonic clock, in seconds."""

    kid: str
    private_key: ec.EllipticCurvePrivateKey
    read_again_at: float


_active: list[ActiveKey] = []


def active_key() -> ActiveKey:
    """Return the key that signs now; runs a query once a minute in each process.

    Raises NoSigningKey and UndecryptableKey.
    """
    if _active and time.monotonic() < _active[0].read_again_at:
        return _active[0]
    row = signing_keys.find_active_signing_key()
    if row is None:
        raise NoSigningKey
    known = _active[0].private_key if _active and _active[0].kid == row.kid else None
    key = ActiveKey(
        kid=row.kid,
        private_key=known or decrypt(bytes(row.private_key_encrypted), kid=row.kid),
        read_again_at=time.monotonic() + conf.SIGNING_KEY_REFRESH_SECONDS,
    )
    _active[:] = [key]
    return key


def forget() -> None:
    """Make the next signature read the active key from the database."""
    _active.clear()


def encrypt(private_key: ec.EllipticCurvePrivateKey, *, kid: str) -> bytes:
    """Return nonce and AES-256-GCM ciphertext of the key, bound to its `kid`."""
    plain = private_key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(_wrapping_key(settings.SECRET_KEY)).encrypt(nonce, plain, kid.encode())


def decrypt(encrypted: bytes, *, kid: str) -> ec.EllipticCurvePrivateKey:
    """Return the private key. Raises UndecryptableKey."""
    nonce, ciphertext = encrypted[:_NONCE_BYTES], encrypted[_NONCE_BYTES:]
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        try:
            plain = AESGCM(_wrapping_key(secret)).decrypt(nonce, ciphertext, kid.encode())
        except InvalidTag:
            continue
        key = serialization.load_der_private_key(plain, password=None)
        if isinstance(key, ec.EllipticCurvePrivateKey):
            return key
    raise UndecryptableKey(kid)


def _wrapping_key(secret: str | bytes) -> bytes:
    """Return 32 bytes derived from a SECRET_KEY for this one purpose (RFC 5869)."""
    kdf = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=_PURPOSE)
    return kdf.derive(force_bytes(secret))
