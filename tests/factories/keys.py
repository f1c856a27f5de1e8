"""Keys of clients, the JWTs they sign with them, and DPoP proofs."""

import base64
import hashlib
import json
import time
import uuid
from functools import cache

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm


class SigningKey:
    """A client's key pair for one algorithm."""

    def __init__(self, private_key, algorithm, kid=None):
        self.private_key = private_key
        self.algorithm = algorithm
        kind = {"E": ECAlgorithm, "R": RSAAlgorithm, "P": RSAAlgorithm}.get(algorithm[0])
        kind = OKPAlgorithm if algorithm == "EdDSA" else kind
        members = kind.to_jwk(private_key.public_key(), as_dict=True)
        self.jwk = {name: value for name, value in members.items() if name != "key_ops"}
        self.private_jwk = kind.to_jwk(private_key, as_dict=True)
        self.kid = kid
        if kid:
            self.jwk["kid"] = kid

    @property
    def jwks(self):
        return {"keys": [self.jwk]}

    @property
    def thumbprint(self):
        members = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n")}.get(
            self.jwk["kty"], ("crv", "kty", "x")
        )
        canonical = json.dumps({name: self.jwk[name] for name in members}, separators=(",", ":"))
        return base64url(hashlib.sha256(canonical.encode()).digest())

    def sign(self, claims, **header):
        fields = {"kid": self.kid} if self.kid else {}
        return jwt.encode(
            claims, self.private_key, algorithm=self.algorithm, headers=fields | header
        )


def base64url(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def make_key(algorithm="ES256", *, kid=None):
    return SigningKey(_GENERATORS[algorithm](), algorithm, kid)


@cache
def make_rsa(bits):
    """Return one RSA key a run: making one takes long."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


_GENERATORS = {
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ES384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ES512": lambda: ec.generate_private_key(ec.SECP521R1()),
    "RS256": lambda: make_rsa(2048),
    "PS256": lambda: make_rsa(2048),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}

ISSUER = "http://localhost:8000"


def make_claims(client_id, **changes):
    """Return the claims of a client assertion; a change to None leaves the claim out."""
    now = int(time.time())
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": ISSUER,
        "jti": uuid.uuid4().hex,
        "iat": now,
        "exp": now + 60,
    }
    return {name: value for name, value in (claims | changes).items() if value is not None}


def assertion_form(assertion, **changes):
    form = {
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion,
    }
    return form | changes


def make_proof(key, address, *, method="POST", nonce=None, token=None, header=None, **changes):
    """Return a DPoP proof; a change to None leaves the claim out."""
    claims = {
        "jti": uuid.uuid4().hex,
        "htm": method,
        "htu": f"{ISSUER}{address}",
        "iat": int(time.time()),
        "nonce": nonce,
        "ath": base64url(hashlib.sha256(token.encode()).digest()) if token else None,
    } | changes
    fields = {"typ": "dpop+jwt", "jwk": key.jwk} | (header or {})
    return sign_raw(key, {n: v for n, v in claims.items() if v is not None}, **fields)


def sign_raw(key, claims, **header):
    """Sign what PyJWT refuses to sign."""
    return sign_text(key, {"alg": key.algorithm} | header, json.dumps(claims))


def sign_text(key, header, text):
    algorithm = jwt.PyJWS().get_algorithm_by_name(key.algorithm)
    signed = f"{base64url(json.dumps(header).encode())}.{base64url(text.encode())}"
    return f"{signed}.{base64url(algorithm.sign(signed.encode(), key.private_key))}"
