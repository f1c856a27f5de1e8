"""RFC 9449 §4: what a DPoP proof says. Whoever reads one brings what verifies its signature."""

import base64
import hashlib
import hmac
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from wire import jws
from wire.jws import JWS, UnusableJWS

TYPE: Final = "dpop+jwt"
# Seconds, for proofs without a nonce: how old one may be, and how far ahead the client's clock.
LONGEST_AGE_SECONDS: Final = 60
_LEEWAY_SECONDS: Final = 15
_LONGEST_TEXT: Final = 255
_LATEST_MOMENT: Final = 1e11
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED: Final = re.compile(r"[A-Za-z0-9\-._~]")


Verify = Callable[[JWS, Mapping[str, Any]], None]


class UnusableProof(ValueError):
    """The proof does not hold; the message says why, to the client as well."""


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof whose signature, type, method and address hold; `thumbprint` is RFC 7638's.

    `nonce` is None where it has none. Whether `issued_at` (Unix time in seconds), `nonce` and `jti`
    are acceptable is the caller's to say.
    """

    thumbprint: str
    jti: str
    issued_at: float
    nonce: str | None
    access_token_hash: str | None

    def is_recent(self, now: float) -> bool:
        """Whether it was signed just now, by the client's clock."""
        return -_LEEWAY_SECONDS <= now - self.issued_at <= LONGEST_AGE_SECONDS

    def is_for(self, access_token: str) -> bool:
        """Whether `ath` names `access_token` (RFC 9449 §4.3, step 12)."""
        digest = hashlib.sha256(access_token.encode("ascii", "replace")).digest()
        named = (self.access_token_hash or "").encode("utf-8", "replace")
        return hmac.compare_digest(base64.urlsafe_b64encode(digest).rstrip(b"="), named)


def read_proof(text: str, *, method: str, addresses: tuple[str, ...], verify: Verify) -> Proof:
    """Return the proof in a `DPoP` header for a request to `addresses[0]`. Raises UnusableProof.

    Further addresses are other names of the same server. `verify` raises UnusableJWS.

    RFC 9449 §4.3, steps 2 to 9: one well-formed JWT with the required claims and type, an
    asymmetric algorithm, a public key, a signature that holds, and the request's method and URI.
    """
    try:
        signed = jws.parse_jws(text)
        jwk = _get_key(signed)
        thumbprint = jws.thumbprint(jwk, signed.algorithm)
        claims = signed.claims
        _check_request(claims, method, addresses)
        verify(signed, jwk)
    except UnusableJWS as error:
        raise UnusableProof(f"{error}") from error
    return Proof(
        thumbprint=thumbprint,
        jti=_read_text(claims, "jti"),
        issued_at=_read_moment(claims),
        nonce=_read_text(claims, "nonce") if "nonce" in claims else None,
        access_token_hash=_read_text(claims, "ath") if "ath" in claims else None,
    )


def _check_request(claims: Mapping[str, Any], method: str, addresses: tuple[str, ...]) -> None:
    if _read_text(claims, "htm") != method:
        raise UnusableProof(f"htm: the method of this request is {method}")
    named = normalise(_read_text(claims, "htu", longest=2048))
    if named not in [normalise(address) for address in addresses]:
        raise UnusableProof(f"htu: the address of this request is {addresses[0]}")


def normalise(address: str) -> str:
    """Return `address` without query and fragment, in one spelling (RFC 3986 §6.2.2, §6.2.3).

    Raises UnusableProof.
    """
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError as error:
        raise UnusableProof("htu: it is no URI") from error
    scheme, host = parts.scheme, parts.hostname
    if scheme not in _DEFAULT_PORTS or not host or "@" in parts.netloc:
        raise UnusableProof("htu: an http(s) URI is expected")
    shown = f"[{host}]" if ":" in host else host
    if port is not None and port != _DEFAULT_PORTS[scheme]:
        shown = f"{shown}:{port}"
    return f"{scheme}://{shown}{_ESCAPE.sub(_unescape, parts.path or '/')}"


def _unescape(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return character if _UNRESERVED.fullmatch(character) else match[0].upper()


def _get_key(signed: JWS) -> Mapping[str, Any]:
    # RFC 8725 §3.11: no JWT of another kind may pass for a proof.
    if signed.header.get("typ") != TYPE:
        raise UnusableProof(f"typ: {TYPE} is expected")
    jwk = signed.header.get("jwk")
    if not isinstance(jwk, Mapping):
        raise UnusableProof("jwk: the header must hold the public key")
    return jwk


def _read_moment(claims: Mapping[str, Any]) -> float:
    moment: Any = claims.get("iat")
    is_number = isinstance(moment, int | float) and not isinstance(moment, bool)
    if not is_number or abs(moment) > _LATEST_MOMENT or not math.isfinite(moment):
        raise UnusableProof("iat: a number of seconds is expected")
    return float(moment)


def _read_text(claims: Mapping[str, Any], name: str, *, longest: int = _LONGEST_TEXT) -> str:
    text = claims.get(name)
    if not isinstance(text, str) or not 1 <= len(text) <= longest or not text.isprintable():
        raise UnusableProof(f"{name}: a text of 1 to {longest} characters is expected")
    return text
