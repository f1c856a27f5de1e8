"""RFC 7515, RFC 7517, RFC 7518: JWTs that others sign, read strictly; who verifies has the keys.

Both ends need the same rules, so that no two readers understand a JWT differently. Verifying takes
a library, and is left to each end.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

LONGEST_JWT: Final = 8192
_COMPACT: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
# RFC 7518 §3.1, RFC 8037 §3.1: the kind of key that belongs to each algorithm. No MAC and no
# `none`: nobody else must be able to make these signatures, ourselves included.
_KEY_KINDS: Final[Mapping[str, tuple[str, str | None]]] = {
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "RS256": ("RSA", None),
    "PS256": ("RSA", None),
    "EdDSA": ("OKP", "Ed25519"),
}
# RFC 9864 §2.2: the name that says the curve as well; oauth4webapi signs under it.
_OTHER_NAMES: Final[Mapping[str, str]] = {"Ed25519": "EdDSA"}
ALGORITHMS: Final = (*_KEY_KINDS, *_OTHER_NAMES)
_PUBLIC_MEMBERS: Final = {"EC": ("crv", "x", "y"), "RSA": ("n", "e"), "OKP": ("crv", "x")}
_SECRET_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
SMALLEST_RSA_BITS: Final = 2048  # RFC 7518 §3.3
LARGEST_RSA_BITS: Final = 8192  # verifying costs time
_MOST_CANDIDATES: Final = 8


class UnusableJWS(ValueError):
    """The text is no JWS that we take, or its signature does not hold; the message says why."""


@dataclass(frozen=True, slots=True)
class JWS:
    """A signed JWT, taken apart and not verified yet."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes

    @property
    def algorithm(self) -> str:
        """The `alg`, one of ALGORITHMS, by its older name where it has two."""
        return _name_of(self.header["alg"])


def parse_jws(text: str) -> JWS:
    """Return the parts of a compact JWS with a JSON object inside. Raises UnusableJWS.

    RFC 7515 §4.1.11: `crit` names extensions that must be understood, and we understand none.
    """
    if len(text) > LONGEST_JWT or not _COMPACT.fullmatch(text):
        raise UnusableJWS("a compact JWS of at most 8192 characters is expected")
    header, claims, signature = text.split(".")
    parsed = JWS(
        header=_read_object(header),
        claims=_read_object(claims),
        signed=f"{header}.{claims}".encode("ascii"),
        signature=_decode(signature),
    )
    if parsed.header.get("alg") not in ALGORITHMS:
        raise UnusableJWS(f"alg: choose one of {', '.join(ALGORITHMS)}")
    if "crit" in parsed.header:
        raise UnusableJWS("crit: no extension is understood here")
    return parsed


def list_candidates(jws: JWS, jwks: object) -> Iterator[Mapping[str, Any]]:
    """Return the keys of a JWKS (RFC 7517 §5) that may have signed `jws`.

    By `kid` where the header has one; never those that are for encryption, another algorithm or
    other operations.
    """
    keys = jwks.get("keys") if isinstance(jwks, Mapping) else None
    found = 0
    for jwk in keys if isinstance(keys, list) else ():
        if isinstance(jwk, Mapping) and _may_have_signed(jwk, jws) and found < _MOST_CANDIDATES:
            found += 1
            yield jwk


def _may_have_signed(jwk: Mapping[str, Any], jws: JWS) -> bool:
    kid, operations = jws.header.get("kid"), jwk.get("key_ops")
    return (
        (kid is None or jwk.get("kid") == kid)
        and jwk.get("kty") == _KEY_KINDS[jws.algorithm][0]
        and jwk.get("use", "sig") == "sig"
        and _name_of(jwk.get("alg", jws.algorithm)) == jws.algorithm
        and (operations is None or (isinstance(operations, list) and "verify" in operations))
    )


def _name_of(algorithm: object) -> str:
    return _OTHER_NAMES.get(str(algorithm), str(algorithm))


def canonical(jwk: Mapping[str, Any], algorithm: str) -> str:
    """Return the public members of `jwk` alone, as they are remembered by.

    Raises UnusableJWS for a private key, and for one of another kind than `algorithm` takes.
    """
    kind, curve = _KEY_KINDS[algorithm]
    if _SECRET_MEMBERS & jwk.keys():
        raise UnusableJWS("the key is private: it is known to others now, replace it")
    if jwk.get("kty") != kind or (curve is not None and jwk.get("crv") != curve):
        raise UnusableJWS(f"{algorithm} takes a key of the kind {kind} {curve or ''}".rstrip())
    members = {name: jwk.get(name) for name in _PUBLIC_MEMBERS[kind]}
    if not all(isinstance(value, str) and len(value) <= 2048 for value in members.values()):
        raise UnusableJWS("the key is malformed")
    return json.dumps(members | {"kty": kind}, sort_keys=True, separators=(",", ":"))


def thumbprint(jwk: Mapping[str, Any], algorithm: str) -> str:
    """Return the RFC 7638 thumbprint (SHA-256, base64url) of a key that `algorithm` takes."""
    digest = hashlib.sha256(canonical(jwk, algorithm).encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _read_object(part: str) -> dict[str, Any]:
    try:
        value = json.loads(_decode(part).decode(), object_pairs_hook=_build_object)
    except (ValueError, RecursionError) as error:
        raise UnusableJWS("a part of the JWS is no JSON") from error
    if not isinstance(value, dict):
        raise UnusableJWS("a part of the JWS is no JSON object")
    return value


def _build_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):  # RFC 7515 §4: readers differ on which one counts
        raise ValueError("a member is named twice")
    return members


def _decode(part: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (binascii.Error, ValueError) as error:
        raise UnusableJWS("a part of the JWS is no base64url") from error
