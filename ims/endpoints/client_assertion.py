"""RFC 7523 §2.2, §3, OpenID Connect Core §9: a client proves itself by a JWT that it signed."""

import math
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from ims import jws, replay
from ims.jws import JWS, UnusableJWS
from ims.models import Client
from ims.queries.client_keys import list_signing_keys
from wire.oauth_errors import InvalidClient

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# Seconds, as Authlib asks for unless it is told otherwise. A stolen assertion is worth nothing once
# it was used: each `jti` is remembered as long.
LONGEST_LIFETIME_SECONDS: Final = 3600
# How far the client's clock may be off.
_LEEWAY_SECONDS: Final = 15
_LONGEST_TEXT: Final = 255
_LATEST_MOMENT: Final = 1e11  # some three thousand years from now


@dataclass(frozen=True, slots=True)
class ClientAssertion:
    """An assertion whose claims are in order; whose it is, and its signature, are not checked."""

    client_id: str
    jti: str
    expires_at: float
    jws: JWS


def read_assertion(form: Mapping[str, str], *, audiences: Collection[str]) -> ClientAssertion:
    """Return the assertion in `form`; runs no statement.

    `audiences` are the names that we go by: the issuer, as RFC 7523bis demands, and the addresses
    of token endpoint and endpoint. Raises InvalidClient. What it says depends on the request alone,
    so it tells nothing of which clients there are.
    """
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise InvalidClient(f"client_assertion_type: {ASSERTION_TYPE} is expected.")
    try:
        parsed = jws.parse_jws(form.get("client_assertion", ""))
    except UnusableJWS as error:
        raise InvalidClient(f"client_assertion: {error}.") from error
    claims = parsed.claims
    client_id = _read_text(claims, "sub")
    if _read_text(claims, "iss") != client_id:
        raise InvalidClient("client_assertion: iss and sub must both be the client_id.")
    _check_audience(claims.get("aud"), audiences)
    return ClientAssertion(
        client_id=client_id,
        jti=_read_text(claims, "jti"),
        expires_at=_check_times(claims),
        jws=parsed,
    )


def is_proven(assertion: ClientAssertion, client: Client | None) -> bool:
    """Whether `client` signed the assertion and shows it for the first time; no statement.

    Without a client, a signature is checked all the same: the answer takes as long. Raises
    TemporarilyUnavailable when replay cannot be checked.
    """
    if client is None:
        return _waste_time(assertion.jws)
    wanted = client.metadata.get("token_endpoint_auth_signing_alg", assertion.jws.algorithm)
    if wanted != assertion.jws.algorithm:
        return _waste_time(assertion.jws)
    try:
        jws.verify_with_any(assertion.jws, list_signing_keys(client=client, jws=assertion.jws))
    except UnusableJWS:
        return False
    remembered = assertion.expires_at - time.time() + 2 * _LEEWAY_SECONDS
    return replay.is_first_use(
        "client-assertion", client.client_id, assertion.jti, seconds=remembered
    )


def _check_audience(audience: object, audiences: Collection[str]) -> None:
    """RFC 7523 §3: "MUST reject any JWT that does not contain its own identity".

    Nor one that is for others as well: they could show it here.
    """
    named = audience if isinstance(audience, list) else [audience]
    if not named or not all(isinstance(name, str) and name in audiences for name in named):
        raise InvalidClient("client_assertion: aud must be this server's issuer identifier.")


def _check_times(claims: Mapping[str, Any]) -> float:
    """Return `exp`. RFC 7523 §3: it is required; `nbf` and `iat` must have come."""
    now = time.time()
    expires_at = _read_time(claims, "exp")
    if expires_at is None:
        raise InvalidClient("client_assertion: exp is missing.")
    if expires_at <= now - _LEEWAY_SECONDS:
        raise InvalidClient("client_assertion: it has expired; sign a new one.")
    if expires_at > now + LONGEST_LIFETIME_SECONDS + _LEEWAY_SECONDS:
        raise InvalidClient(
            f"client_assertion: exp may be at most {LONGEST_LIFETIME_SECONDS} seconds ahead."
        )
    for name in ("nbf", "iat"):
        moment = _read_time(claims, name)
        if moment is not None and moment > now + _LEEWAY_SECONDS:
            raise InvalidClient(f"client_assertion: {name} lies in the future.")
    return expires_at


def _read_time(claims: Mapping[str, Any], name: str) -> float | None:
    """RFC 7519 §2: NumericDate."""
    moment = claims.get(name)
    if moment is None:
        return None
    is_number = isinstance(moment, int | float) and not isinstance(moment, bool)
    if not is_number or abs(moment) > _LATEST_MOMENT or not math.isfinite(moment):
        raise InvalidClient(f"client_assertion: {name} must be a number of seconds.")
    return float(moment)


def _read_text(claims: Mapping[str, Any], name: str) -> str:
    text = claims.get(name)
    if not isinstance(text, str) or not 1 <= len(text) <= _LONGEST_TEXT or not text.isprintable():
        raise InvalidClient(
            f"client_assertion: {name} must be a text of 1 to {_LONGEST_TEXT} characters."
        )
    return text


def _waste_time(signed: JWS) -> bool:
    """Return False after a verification that fails."""
    with suppress(UnusableJWS):
        jws.verify(signed, _strange_key(signed.algorithm))
    return False


@cache
def _strange_key(algorithm: str) -> Mapping[str, Any]:
    """Return the public half of a key that nobody has."""
    if algorithm == "EdDSA":
        return OKPAlgorithm.to_jwk(ed25519.Ed25519PrivateKey.generate().public_key(), as_dict=True)
    if algorithm in {"RS256", "PS256"}:
        private_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return RSAAlgorithm.to_jwk(private_key.public_key(), as_dict=True)
    curve = ec.SECP256R1() if algorithm == "ES256" else ec.SECP384R1()
    return ECAlgorithm.to_jwk(ec.generate_private_key(curve).public_key(), as_dict=True)
