"""RFC 7518: signatures of DPoP proofs and of other issuers' JWTs, read by `wire.jws`."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from wire.jws import JWS, LARGEST_RSA_BITS, SMALLEST_RSA_BITS, UnusableJWS, canonical


def verify(jws: JWS, jwk: Mapping[str, Any]) -> None:
    """Return when the signature of `jws` holds under `jwk`. Raises UnusableJWS."""
    key = _load_key(canonical(jwk, jws.algorithm), jws.algorithm)
    if not key.Algorithm.verify(jws.signed, key.key, jws.signature):
        raise UnusableJWS("the signature does not hold")


@lru_cache(maxsize=4096)  # reading a key takes longer than verifying with it
def _load_key(description: str, algorithm: str) -> jwt.PyJWK:
    try:
        key = jwt.PyJWK(json.loads(description), algorithm=algorithm)
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise UnusableJWS("the key is malformed") from error
    bits = key.key.key_size if isinstance(key.key, RSAPublicKey) else SMALLEST_RSA_BITS
    if not SMALLEST_RSA_BITS <= bits <= LARGEST_RSA_BITS:
        raise UnusableJWS(f"an RSA key has {SMALLEST_RSA_BITS} to {LARGEST_RSA_BITS} bits")
    return key
