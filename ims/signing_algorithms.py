"""RFC 7518 §3.1, RFC 8037 §3.1: the algorithms that sign our JWTs, and their keys as JWKs."""

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

_RSA_BITS: Final = 2048  # RFC 7518 §3.3: "A key of size 2048 bits or larger MUST be used"
_P256_BYTES: Final = 32
_SHA256: Final = hashes.SHA256()
_ECDSA: Final = ec.ECDSA(_SHA256)
_PKCS1: Final = padding.PKCS1v15()
# RFC 7518 §3.5: the salt is as long as the hash.
_PSS: Final = padding.PSS(mgf=padding.MGF1(_SHA256), salt_length=_SHA256.digest_size)


@dataclass(frozen=True, slots=True)
class SigningAlgorithm:
    """How one `alg` makes keys and signatures.

    `hash_name` is the hash that OpenID Connect Core §3.1.3.6 pairs with it for `at_hash`.
    """

    name: str
    key_type: type[PrivateKey]
    generate: Callable[[], PrivateKey]
    sign: Callable[[Any, bytes], bytes]  # the key is of `key_type`
    describe: Callable[[Any], dict[str, str]]  # required public members (RFC 7638 §3.2)
    hash_name: str = "sha256"

    def hash_half(self, text: str) -> str:
        """Return the left half of the hash of `text`, base64url (OpenID Connect Core §3.1.3.6)."""
        digest = hashlib.new(self.hash_name, text.encode("ascii")).digest()
        return base64url(digest[: len(digest) // 2])


def base64url(octets: bytes) -> str:
    """Return RFC 7515 §2 base64url, without padding."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _sign_ecdsa(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """RFC 7518 §3.4: R and S, each of the curve's length, not the DER that OpenSSL makes."""
    r, s = decode_dss_signature(key.sign(message, _ECDSA))
    return r.to_bytes(_P256_BYTES) + s.to_bytes(_P256_BYTES)


def _describe_ec(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    numbers = key.public_key().public_numbers()
    x, y = (base64url(number.to_bytes(_P256_BYTES)) for number in (numbers.x, numbers.y))
    return {"crv": "P-256", "kty": "EC", "x": x, "y": y}


def _describe_rsa(key: rsa.RSAPrivateKey) -> dict[str, str]:
    numbers = key.public_key().public_numbers()
    modulus = numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8)
    exponent = numbers.e.to_bytes((numbers.e.bit_length() + 7) // 8)
    return {"e": base64url(exponent), "kty": "RSA", "n": base64url(modulus)}


def _describe_ed25519(key: ed25519.Ed25519PrivateKey) -> dict[str, str]:
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return {"crv": "Ed25519", "kty": "OKP", "x": base64url(raw)}


def _generate_rsa() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)


ALGORITHMS: Final[Mapping[str, SigningAlgorithm]] = {
    algorithm.name: algorithm
    for algorithm in (
        SigningAlgorithm(
            "ES256",
            ec.EllipticCurvePrivateKey,
            lambda: ec.generate_private_key(ec.SECP256R1()),
            _sign_ecdsa,
            _describe_ec,
        ),
        SigningAlgorithm(
            "RS256",
            rsa.RSAPrivateKey,
            _generate_rsa,
            lambda key, message: key.sign(message, _PKCS1, _SHA256),
            _describe_rsa,
        ),
        SigningAlgorithm(
            "PS256",
            rsa.RSAPrivateKey,
            _generate_rsa,
            lambda key, message: key.sign(message, _PSS, _SHA256),
            _describe_rsa,
        ),
        SigningAlgorithm(
            "EdDSA",
            ed25519.Ed25519PrivateKey,
            ed25519.Ed25519PrivateKey.generate,
            lambda key, message: key.sign(message),
            _describe_ed25519,
            hash_name="sha512",  # RFC 8032 §5.1: the hash inside Ed25519
        ),
    )
}
