"""RFC 7515, RFC 7518: JWTs that clients sign, verified with their public keys.

Knows neither Django nor the database; how they are read is `wire.jws`.
"""

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from wire.jws import (
    ALGORITHMS,
    JWS,
    LARGEST_RSA_BITS,
    SMALLEST_RSA_BITS,
    UnusableJWS,
    canonical,
    list_candidates,
    parse_jws,
    thumbprint,
)

__all__ = [
    "ALGORITHMS",
    "JWS",
    "UnusableJWS",
    "list_candidates",
    "parse_jws",
    "thumbprint",
    "verify",
    "verify_with_any",
]


def verify(jws: JWS, jwk: Mapping[str, Any]) -> None:
    """Return when the signature of `jws` holds under `jwk`. Raises UnusableJWS."""
    key = _load_key(canonical(jwk, jws.algorithm), jws.algorithm)
    if not key.Algorithm.verify(jws.signed, key.key, jws.signature):
        raise UnusableJWS("the signature does not hold")


def verify_with_any(jws: JWS, jwks: Iterable[Mapping[str, Any]]) -> None:
    """Return when the signature holds under one of the keys. Raises UnusableJWS."""
    for jwk in jwks:
        try:
            verify(jws, jwk)
        except UnusableJWS:
            continue
        return
    raise UnusableJWS("no key verifies the signature")


@lru_cache(maxsize=1024)  # reading a key takes longer than verifying with it
def _load_key(canonical: str, algorithm: str) -> jwt.PyJWK:
    try:
        key = jwt.PyJWK(json.loads(canonical), algorithm=algorithm)
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise UnusableJWS("the key is malformed") from error
    bits = key.key.key_size if isinstance(key.key, RSAPublicKey) else SMALLEST_RSA_BITS
    if not SMALLEST_RSA_BITS <= bits <= LARGEST_RSA_BITS:
        raise UnusableJWS(f"an RSA key has {SMALLEST_RSA_BITS} to {LARGEST_RSA_BITS} bits")
    return key
