"""The JWT that one API may read in place of an opaque token, and what the gateway reads of it.

The signature is not checked here: the JWT comes straight from the token service over our own
authenticated connection, and each API checks it against the JWKS. Its claims are checked, so that
an answer for another audience or issuer, or one that is out of date, is never cached.
"""

import binascii
import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.dataplane.confirmation import Confirmation, read_confirmation
from wire.gateway_snapshot import Issuer

Claims = Mapping[str, object]

MAX_LIFETIME_SECONDS: Final = 300.0
_MAX_JWT_BYTES: Final = 16 * 1024
_JWS_PARTS: Final = 3  # RFC 7515 §7.1
_JWE_PARTS: Final = 5  # RFC 7516 §7.1; the second is empty where a key is agreed on directly
_CLOCK_SKEW_SECONDS: Final = 30.0
_FOREVER: Final = 1e12  # Unix time; NaN and infinity are not below it
_OVERHEAD_BYTES: Final = 1_000  # objects around the JWT, roughly


class NonsenseAnswer(ValueError):
    """The token service answered with something that is no JWT for this resource."""


@dataclass(slots=True, eq=False)
class PhantomToken:
    """One exchanged token for one resource. Times are of `time.monotonic`."""

    authorization: bytes  # the header field that the API gets
    client_id: str
    subject: str
    scopes: frozenset[str]
    obtained_at: float
    expires_at: float
    confirmation: Confirmation | None = None  # the key that the caller has to show
    acr: str = ""
    auth_time: float | None = None  # Unix time
    issuer: Issuer | None = None  # who made it, where that is not our token service
    # What was decided for each route of one configuration (see decision); gone with the token.
    decided_for: Any = None
    decisions: dict[Any, Any] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        return len(self.authorization) + _OVERHEAD_BYTES


@dataclass(frozen=True, slots=True)
class Expectations:
    """What the claims must say."""

    issuer: str
    resource: str


def read_phantom_token(
    jwt: bytes,
    expected: Expectations,
    *,
    max_age_seconds: float | None,
    unix_now: float,
    now: float,
) -> PhantomToken:
    """Return the token; it lives until `exp`, for `max_age_seconds`, or 300 s: what ends first.

    RFC 9068 §2.2 claims. Raises NonsenseAnswer.
    """
    claims = _claims(jwt)
    lifetime = check_claims(claims, expected, unix_now)
    if max_age_seconds is not None:
        lifetime = min(lifetime, max_age_seconds)
    return make_token(
        b"Bearer " + jwt,
        claims,
        client_id=read_text(claims, "client_id"),
        scopes=frozenset(read_text(claims, "scope", "").split()),
        lifetime_seconds=lifetime,
        now=now,
    )


def check_claims(claims: Claims, expected: Expectations, unix_now: float) -> float:
    """Return how many seconds the claims hold from now on, at most MAX_LIFETIME_SECONDS.

    RFC 9068 §4. Raises NonsenseAnswer.
    """
    expires_in = read_number(claims, "exp") - unix_now
    if expires_in <= 0:
        raise NonsenseAnswer("exp: the JWT has expired.")
    if claims.get("iss") != expected.issuer:
        raise NonsenseAnswer("iss: the JWT is of another issuer.")
    audience = claims.get("aud")
    if expected.resource not in (audience if isinstance(audience, list) else [audience]):
        raise NonsenseAnswer("aud: the JWT is made for another resource.")
    if read_number(claims, "nbf", 0) > unix_now + _CLOCK_SKEW_SECONDS:
        raise NonsenseAnswer("nbf: the JWT is not valid yet.")
    return min(expires_in, MAX_LIFETIME_SECONDS)


def make_token(
    authorization: bytes,
    claims: Claims,
    *,
    client_id: str,
    scopes: frozenset[str],
    lifetime_seconds: float,
    now: float,
) -> PhantomToken:
    """Return the token with what else the gateway reads of `claims`. Raises NonsenseAnswer."""
    return PhantomToken(
        authorization=authorization,
        client_id=client_id,
        subject=str(claims.get("sub", "")),
        scopes=scopes,
        obtained_at=now,
        expires_at=now + lifetime_seconds,
        confirmation=read_confirmation(claims),
        acr=read_text(claims, "acr", ""),
        auth_time=read_number(claims, "auth_time") if "auth_time" in claims else None,
    )


def _claims(jwt: bytes) -> Claims:
    if len(jwt) > _MAX_JWT_BYTES:
        raise NonsenseAnswer(f"The JWT is longer than {_MAX_JWT_BYTES} bytes.")
    parts = jwt.split(b".")
    if len(parts) == _JWS_PARTS and all(parts):
        readable = parts[1]
    elif len(parts) == _JWE_PARTS and parts[0]:
        # Encrypted to its API. RFC 7519 §5.3: what we need is replicated in the header.
        readable = parts[0]
    else:
        raise NonsenseAnswer("The answer is neither a JWS nor a JWE in compact form.")
    if jwt.translate(None, b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."):
        raise NonsenseAnswer("The answer holds characters that are not base64url.")
    try:
        claims = json.loads(urlsafe_b64decode(readable + b"=" * (-len(readable) % 4)))
    except (binascii.Error, ValueError) as error:
        raise NonsenseAnswer("The JWT's claims cannot be decoded.") from error
    if not isinstance(claims, Mapping):
        raise NonsenseAnswer("The JWT's claims are not an object.")
    return claims


def read_number(claims: Claims, name: str, default: float | None = None) -> float:
    """Return the finite number `name`. Raises NonsenseAnswer: what is no number never ends."""
    value = claims.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _FOREVER:
        raise NonsenseAnswer(f"{name}: a number is expected.")
    return float(value)


def read_text(claims: Claims, name: str, default: str | None = None) -> str:
    """Return the text `name`. Raises NonsenseAnswer."""
    value = claims.get(name, default)
    if not isinstance(value, str):
        raise NonsenseAnswer(f"{name}: a string is expected.")
    return value
