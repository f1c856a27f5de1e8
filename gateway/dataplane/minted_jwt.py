"""RFC 9068: the JWT that the gateway makes itself, where the token service gives none.

A foreign introspection endpoint (RFC 7662, RFC 9701) says what a token is worth and hands out
nothing that an API could read. Neither its answer nor the opaque token goes on: the first is no
token (RFC 9701 §8.1), the second is the client's secret. So the gateway signs a JWT for the one
API, and APIs trust its keys (`/.well-known/jwks.json` on the public port) instead.
"""

import json
import secrets
from collections.abc import Mapping
from typing import Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from jwt.algorithms import ECAlgorithm

from gateway.dataplane.phantom_token import (
    MAX_LIFETIME_SECONDS,
    Claims,
    Expectations,
    NonsenseAnswer,
    PhantomToken,
    check_claims,
    make_token,
    read_number,
    read_text,
)
from wire.jws import thumbprint

_ALGORITHM: Final = "ES256"
# What an API may want to know beside the required claims of RFC 9068 §2.2.
_COPIED: Final = ("username", "acr", "amr", "auth_time", "cnf", "act")
# What servers say of the kind of a token (RFC 7662 §2.2; Hydra; Keycloak), for access tokens.
_KINDS: Final[Mapping[str, frozenset[str]]] = {
    "token_type": frozenset({"bearer", "dpop", "access_token"}),
    "token_use": frozenset({"access_token", "access"}),
    "typ": frozenset({"bearer", "dpop", "jwt", "at+jwt", "application/at+jwt"}),
}


class JWTMint:
    """Signs with one key under one issuer: the gateway's public origin."""

    def __init__(self, key: EllipticCurvePrivateKey, issuer: str) -> None:
        self._key = key
        self._issuer = issuer
        public = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
        jwk = {name: public[name] for name in ("kty", "crv", "x", "y")}
        self._kid = thumbprint(jwk, _ALGORITHM)
        jwk |= {"kid": self._kid, "use": "sig", "alg": _ALGORITHM}
        self.jwks = json.dumps({"keys": [jwk]}).encode()

    def make(
        self,
        document: Claims,
        expected: Expectations,
        *,
        max_age_seconds: float | None,
        unix_now: float,
        now: float,
    ) -> PhantomToken | None:
        """Return the token that an active introspection answer stands for, None: not for this API.

        RFC 7662 §2.2 makes `iss`, `aud` and `exp` optional: what is said is checked. A token that
        names no audience is one that its issuer restricts to none; scopes and subscription decide.
        Servers call refresh tokens active, too (§2.1): such a token is for no API. Raises
        NonsenseAnswer.
        """
        if not _is_access_token(document):
            return None
        audience = document.get("aud", expected.resource)
        if expected.resource not in (audience if isinstance(audience, list) else [audience]):
            return None  # an honest answer about a token that belongs elsewhere
        lifetime = check_claims(
            {
                "iss": expected.issuer,
                "aud": expected.resource,
                "exp": unix_now + MAX_LIFETIME_SECONDS,
                **document,
            },
            expected,
            unix_now,
        )
        client_id = read_text(document, "client_id")
        scope = read_text(document, "scope", "")
        # The entry lives no longer than its JWT, the JWT no longer than the token.
        expires_at = int(unix_now + lifetime)
        lifetime = max(0.0, expires_at - unix_now)
        encoded = self._sign(document, expected.resource, int(unix_now), expires_at)
        if max_age_seconds is not None:
            lifetime = min(lifetime, max_age_seconds)
        return make_token(
            b"Bearer " + encoded,
            document,
            client_id=client_id,
            scopes=frozenset(scope.split()),
            lifetime_seconds=lifetime,
            now=now,
        )

    def _sign(self, document: Claims, resource: str, issued_at: int, expires_at: int) -> bytes:
        client_id = read_text(document, "client_id")
        claims: dict[str, object] = {
            "iss": self._issuer,
            "sub": read_text(document, "sub", client_id),
            "aud": resource,
            "client_id": client_id,
            "scope": read_text(document, "scope", ""),
            "iat": issued_at,
            "exp": expires_at,
            "jti": secrets.token_urlsafe(16),
        }
        claims |= {name: document[name] for name in _COPIED if name in document}
        headers = {"typ": "at+jwt", "kid": self._kid}
        try:
            return jwt.encode(claims, self._key, algorithm=_ALGORITHM, headers=headers).encode()
        except (TypeError, ValueError) as error:
            raise NonsenseAnswer("A claim cannot be written as JSON.") from error


def _is_access_token(document: Claims) -> bool:
    return all(
        str(document[name]).lower() in kinds
        for name, kinds in _KINDS.items()
        if document.get(name) is not None
    )


def read_introspection_document(document: object) -> Mapping[str, object] | None:
    """Return the members of an active answer (RFC 7662 §2.2), None when it is inactive.

    Raises NonsenseAnswer.
    """
    if not isinstance(document, Mapping) or not isinstance(document.get("active"), bool):
        raise NonsenseAnswer("introspection: active is missing.")
    if not document["active"]:
        return None
    read_number(document, "exp", 0)
    return document
