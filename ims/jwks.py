"""RFC 7517 §5: public keys that others publish, and the one that a JWT is encrypted to."""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwcrypto.common import JWException
from jwcrypto.jwk import JWK

# RFC 7518 §4.1: the kind of key that an algorithm encrypts to.
_KEY_TYPES: Final = {"ECDH-ES": ("EC", "OKP"), "ECDH-ES+A256KW": ("EC", "OKP")}
_RSA: Final = ("RSA",)
_CURVES: Final = ("P-256", "P-384", "P-521", "X25519")
# RFC 7518 §4.3; and what still is a key, not a way to keep us busy.
_RSA_BITS: Final = range(2048, 8192 + 1)
# jwcrypto takes more names than these, one that makes it generate a key among them.
_MEMBERS: Final = frozenset({"kty", "crv", "x", "y", "n", "e", "kid", "alg", "use"})
_MOST_KEYS: Final = 20


class UnusableJWKS(ValueError):
    """The document is no JWKS of public keys, or none of them fits; the text says which."""


def check_jwks(document: object) -> dict[str, Any]:
    """Return `document` when it is a JWKS of public keys. Raises UnusableJWKS."""
    keys = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(keys, list) or not 1 <= len(keys) <= _MOST_KEYS:
        raise UnusableJWKS(f'an object with "keys", a list of 1 to {_MOST_KEYS} keys, is expected.')
    for at, key in enumerate(keys):
        if not isinstance(key, Mapping):
            raise UnusableJWKS(f"keys[{at}]: an object is expected.")
        if "d" in key or "k" in key:
            # Whoever sees this record could then read what is meant for the API alone.
            raise UnusableJWKS(f"keys[{at}]: it holds a private or secret key; publish another.")
    return {"keys": keys}


def choose_encryption_key(jwks: Mapping[str, Any] | None, algorithm: str) -> JWK:
    """Return the first key of `jwks` that `algorithm` can encrypt to. Raises UnusableJWKS."""
    return _choose(json.dumps(jwks, sort_keys=True), algorithm)


@lru_cache(maxsize=256)  # reading a key takes longer than encrypting to it
def _choose(jwks: str, algorithm: str) -> JWK:
    for key in _list_candidates(json.loads(jwks), algorithm):
        try:
            chosen = JWK(**{name: key[name] for name in key.keys() & _MEMBERS})
            public = chosen.get_op_key("encrypt")
        except (JWException, AttributeError, TypeError, ValueError):
            continue  # one that we cannot read is no reason to refuse the others
        if not isinstance(public, RSAPublicKey) or public.key_size in _RSA_BITS:
            return chosen
    raise UnusableJWKS(f"no key in it can be encrypted to with {algorithm}.")


def _list_candidates(jwks: object, algorithm: str) -> Iterator[dict[str, Any]]:
    """RFC 7517 §4.2, §4.4: keys of the right kind that are not meant for something else."""
    keys = jwks.get("keys", ()) if isinstance(jwks, dict) else ()
    for key in keys:
        if (
            isinstance(key, dict)
            and key.get("kty") in _KEY_TYPES.get(algorithm, _RSA)
            and key.get("use", "enc") == "enc"
            and key.get("alg", algorithm) == algorithm
            and ("crv" not in key or key["crv"] in _CURVES)
        ):
            yield key
