"""The signing keys of this process: how they are kept at rest, and those that sign now."""

import os
import time
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.encoding import force_bytes

from ims import conf
from ims.errors import NoSigningKey, UndecryptableKey
from ims.models import SigningKey
from ims.queries import signing_keys
from ims.signing_algorithms import ALGORITHMS, PrivateKey

_NONCE_BYTES: Final = 12  # NIST SP 800-38D §8.2.2: 96 bits, drawn at random for each key
_PURPOSE: Final = b"tollgate ims signing key at rest v1"


@dataclass(frozen=True, slots=True)
class ActiveKey:
    """The key that signs now. `read_again_at` is on the monotonic clock, in seconds."""

    kid: str
    algorithm: str
    private_key: PrivateKey
    read_again_at: float

    def sign(self, message: bytes) -> bytes:
        """Return the signature as a JWS carries it, not yet encoded."""
        return ALGORITHMS[self.algorithm].sign(self.private_key, message)


_active: dict[str, ActiveKey] = {}


def active_key(algorithm: str = conf.SIGNING_ALGORITHM) -> ActiveKey:
    """Return the key that signs with `algorithm` now.

    Runs a query every SIGNING_KEY_REFRESH_SECONDS in each process. Raises NoSigningKey and
    UndecryptableKey.
    """
    known = _active.get(algorithm)
    if known is not None and time.monotonic() < known.read_again_at:
        return known
    row = signing_keys.find_active_signing_key(algorithm)
    if row is None:
        _active.pop(algorithm, None)
        raise NoSigningKey(algorithm)
    # Opened once: reading an RSA key takes longer than a signature.
    is_known = known is not None and known.kid == row.kid
    key = ActiveKey(
        kid=row.kid,
        algorithm=algorithm,
        private_key=known.private_key if known is not None and is_known else _open(row),
        read_again_at=time.monotonic() + conf.SIGNING_KEY_REFRESH_SECONDS,
    )
    _active[algorithm] = key
    return key


def is_ready(algorithm: str) -> bool:
    """Whether `active_key` would answer without a query."""
    known = _active.get(algorithm)
    return known is not None and time.monotonic() < known.read_again_at


def forget() -> None:
    """Make the next signature read the active key from the database."""
    _active.clear()


def encrypt(private_key: PrivateKey, *, kid: str) -> bytes:
    """Return nonce and AES-256-GCM ciphertext of the key, bound to its `kid`."""
    plain = private_key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(_wrapping_key(settings.SECRET_KEY)).encrypt(nonce, plain, kid.encode())


def _open(row: SigningKey) -> PrivateKey:
    key_type = ALGORITHMS[row.algorithm].key_type
    key = serialization.load_der_private_key(_decrypt(row), password=None)
    if not isinstance(key, key_type):
        raise UndecryptableKey(row.kid)
    return key


def _decrypt(row: SigningKey) -> bytes:
    """Return the private key in DER. Raises UndecryptableKey."""
    encrypted = bytes(row.private_key_encrypted)
    nonce, ciphertext = encrypted[:_NONCE_BYTES], encrypted[_NONCE_BYTES:]
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        try:
            return AESGCM(_wrapping_key(secret)).decrypt(nonce, ciphertext, row.kid.encode())
        except InvalidTag:
            continue
    raise UndecryptableKey(row.kid)


def _wrapping_key(secret: str | bytes) -> bytes:
    """Return 32 bytes derived from a SECRET_KEY for this one purpose (RFC 5869)."""
    kdf = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=_PURPOSE)
    return kdf.derive(force_bytes(secret))
