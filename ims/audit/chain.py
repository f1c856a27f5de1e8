"""The hash chain over the audit log: what a seal is made from (FIPS 180-4, RFC 2104, RFC 5869)."""

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.encoding import force_bytes

_PURPOSE: Final = b"tollgate ims audit seal v1"
# What the first seal follows.
GENESIS: Final = bytes(32)
# Every column of an event, so that no part of it can be changed unseen.
COLUMNS: Final = (
    "id",
    "transaction_id",
    "occurred_at",
    "event",
    "outcome",
    "reason",
    "client_id",
    "subject",
    "actor",
    "address",
    "user_agent",
    "request_id",
    "detail",
)


def canonical(members: Mapping[str, Any]) -> bytes:
    """Return the one JSON form of `members`: sorted, no white space, UTF-8, times in UTC."""
    return json.dumps(
        members, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_as_text
    ).encode()


def hash_seal(
    *, previous: bytes, header: Mapping[str, Any], events: Iterable[Mapping[str, Any]]
) -> tuple[bytes, int]:
    """Return SHA-256 over the seal before, `header` and each event, and how many there were.

    Every part is one line, and canonical JSON has no line ends: parts cannot be moved across.
    """
    digest, count = hashlib.sha256(previous + canonical(header)), 0
    for event in events:
        digest.update(b"\n" + canonical(event))
        count += 1
    return digest.digest(), count


def make_mac(sealed: bytes) -> bytes:
    """Return the HMAC of a seal's hash, under a key that is not in the database."""
    return _mac(sealed, settings.SECRET_KEY)


def is_mac_of(mac: bytes, sealed: bytes) -> bool:
    """Whether `mac` was made here, with the present SECRET_KEY or one of its fallbacks."""
    known = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return any(hmac.compare_digest(mac, _mac(sealed, secret)) for secret in known)


def _mac(sealed: bytes, secret: str | bytes) -> bytes:
    return hmac.digest(_derive_key(force_bytes(secret)), sealed, "sha256")


@lru_cache(maxsize=4)
def _derive_key(secret: bytes) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret)


def _as_text(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    raise TypeError(f"{type(value).__name__} has no canonical form.")
