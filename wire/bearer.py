"""Opaque credentials: their shape, their checksum and their digest.

A credential is `<prefix>_<43 base62 characters><6 base62 checksum characters>`.
The prefix lets secret scanners and people recognise it; the checksum (CRC-32,
not a secret) lets a gateway refuse junk without asking anyone; the random part
carries 256 bits. All characters are in RFC 6750 §2.1 `b64token`.
"""

import hashlib
import re
import secrets
import zlib
from enum import StrEnum
from typing import Final

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PAIRS: Final = tuple(high + low for high in _ALPHABET for low in _ALPHABET)  # half the divisions
_BODY_LENGTH: Final = 43
_CHECKSUM_LENGTH: Final = 6
_ENTROPY_BYTES: Final = 32
_SHAPE: Final = re.compile(r"(tg[a-z]{2})_([0-9A-Za-z]{43})([0-9A-Za-z]{6})")

# RFC 6750 §2.1: b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="
B64TOKEN: Final = re.compile(rb"[A-Za-z0-9\-._~+/]+=*")


class Prefix(StrEnum):
    """What a credential is, readable in its first four characters."""

    ACCESS_TOKEN = "tgat"  # noqa: S105 - a public prefix, not a secret
    REFRESH_TOKEN = "tgrt"  # noqa: S105
    AUTHORIZATION_CODE = "tgac"
    DEVICE_CODE = "tgdc"
    CLIENT_SECRET = "tgcs"  # noqa: S105
    REGISTRATION_ACCESS_TOKEN = "tgra"  # noqa: S105
    INITIAL_ACCESS_TOKEN = "tgia"  # noqa: S105


def mint(prefix: Prefix) -> str:
    """Return a new credential with 256 random bits."""
    return spell(prefix, secrets.token_bytes(_ENTROPY_BYTES))


def spell(prefix: Prefix, secret: bytes) -> str:
    """Return the credential that stands for the 32 bytes of `secret`, which nobody can guess."""
    if len(secret) != _ENTROPY_BYTES:
        raise ValueError(f"A credential is made of {_ENTROPY_BYTES} bytes.")
    body = _base62(int.from_bytes(secret), _BODY_LENGTH)
    return f"{prefix}_{body}{_checksum(prefix, body)}"


def is_well_formed(credential: str, prefix: Prefix) -> bool:
    """Whether `credential` has the shape and the checksum of `prefix`; says nothing of validity."""
    match = _SHAPE.fullmatch(credential)
    return (
        match is not None and match[1] == prefix.value and match[3] == _checksum(match[1], match[2])
    )


def digest(credential: str) -> bytes:
    """Return the 32 bytes under which a credential is stored, cached and revoked (SHA-256)."""
    return hashlib.sha256(credential.encode()).digest()


def _checksum(prefix: str, body: str) -> str:
    return _base62(zlib.crc32(f"{prefix}_{body}".encode("ascii")), _CHECKSUM_LENGTH)


def _base62(number: int, length: int) -> str:
    pairs = []
    for _ in range((length + 1) // 2):
        number, index = divmod(number, len(_PAIRS))
        pairs.append(_PAIRS[index])
    return "".join(reversed(pairs))[-length:]
