"""Proof that whoever sends a bound token has its key: DPoP (RFC 9449 §7), certificates (RFC 8705).

Asked for where a token is bound, and only there: a call with a plain bearer token comes past none
of this. Upstreams get the JWT as a bearer token, as the key has been shown here.
"""

import base64
import binascii
import hashlib
import hmac
import re
import time
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Final, Protocol

from gateway.dataplane import signatures
from gateway.dataplane.call import Call
from gateway.dataplane.dpop_nonces import LONGEST_LIFE_SECONDS, DPoPNonces
from gateway.dataplane.errors import AuthorityUnavailable, InvalidProof, InvalidToken, NonceNeeded
from wire.dpop_proof import LONGEST_AGE_SECONDS, Proof, UnusableProof, read_proof

if TYPE_CHECKING:
    from gateway.dataplane.confirmation import Confirmation

# Longer than any proof is taken for: with a nonce of the next window, or signed 15 s from now.
REMEMBERED_SECONDS: Final = 2 * max(LONGEST_LIFE_SECONDS, LONGEST_AGE_SECONDS)
_ITEM: Final = re.compile(rb"[ \t]*:([A-Za-z0-9+/]*={0,2}):[ \t]*")  # RFC 8941 §3.3.5
_LONGEST_CERTIFICATE: Final = 16 * 1024
_NONCE_TEXT: Final = "Sign the proof with the nonce of the DPoP-Nonce header, then try again."
_NOT_BOUND: Final = "The access token is bound to no DPoP key: send it as Bearer."
_NO_WAY: Final = "The access token is bound in a way that this gateway cannot check."
_CERTIFICATE_NEEDED: Final = (
    "The access token is bound to a client certificate: use the one that it was issued to."
)
_UNCHECKED: Final = "Proofs cannot be checked for replay now; try again."


class ReplaysUnchecked(Exception):
    """Nobody can say whether a proof was used before."""


class Replays(Protocol):
    """Who remembers proofs, for all workers."""

    def is_first_use(self, key: bytes, seconds: int) -> Awaitable[bool]:
        """Whether `key` is seen for the first time in `seconds`. Raises ReplaysUnchecked."""


class Possession:
    """Checks what a bound token needs beside itself."""

    def __init__(self, *, nonces: DPoPNonces, replays: Replays) -> None:
        self._nonces = nonces
        self._replays = replays

    def check(self, call: Call, is_trusted_hop: bool) -> Awaitable[None] | None:  # noqa: FBT001
        """Return when `call` has shown the key of its token, or what to wait for.

        `Client-Cert` counts where it comes from a trusted hop. Raises InvalidToken, InvalidProof,
        NonceNeeded, and AuthorityUnavailable while a proof cannot be checked for replay.
        """
        confirmation = call.phantom.confirmation
        is_dpop = call.extras is not None and call.extras.is_dpop
        if confirmation is None or (is_dpop and not confirmation.jkt):
            raise InvalidToken(_NOT_BOUND)
        if confirmation.is_unknown:
            raise InvalidToken(_NO_WAY)
        if confirmation.x5t_s256:
            certificate = call.note().client_certificate if is_trusted_hop else b""
            _check_certificate(certificate, confirmation.x5t_s256)
        if not confirmation.jkt:
            return None
        if not is_dpop:
            # RFC 9449 §7.2: taken as a bearer token, it would be good for whoever stole it.
            raise InvalidProof(
                "The access token is bound to a key: send it as DPoP, with a proof.",
                error="invalid_token",
            )
        return self._check_proof(call, confirmation)

    async def _check_proof(self, call: Call, confirmation: "Confirmation") -> None:
        proof = _read(call)
        is_required = call.route is not None and call.route.api.requires_dpop_nonce
        latest = self._nonces.latest()
        if proof.nonce != latest:
            call.note().answer_fields.append((b"dpop-nonce", latest.encode()))
        if is_required if proof.nonce is None else not self._nonces.is_ours(proof.nonce):
            raise NonceNeeded(_NONCE_TEXT)
        _check_claims(proof, call.token.decode("ascii"), confirmation.jkt)
        key = hashlib.sha256(f"{proof.thumbprint}\x1f{proof.jti}".encode("utf-8", "replace"))
        try:
            is_first = await self._replays.is_first_use(key.digest(), REMEMBERED_SECONDS)
        except ReplaysUnchecked as error:
            raise AuthorityUnavailable(_UNCHECKED, 1) from error
        if not is_first:
            raise InvalidProof("This proof was used before: sign a new one.")


def _read(call: Call) -> Proof:
    text = call.note().dpop_proof
    if not text:
        raise InvalidProof("A DPoP header with one proof is needed beside the token.")
    path = call.raw_path.decode("ascii")
    addresses = [f"{call.scheme}://{host.decode('latin-1')}{path}" for host in _hosts(call)]
    public = call.configuration.access.gateway_url
    if public:
        addresses.append(public + path)
    try:
        return read_proof(
            text.decode("latin-1"),
            method=call.method,
            addresses=tuple(addresses),
            verify=signatures.verify,
        )
    except UnusableProof as error:
        raise InvalidProof(f"{error}.") from error


def _hosts(call: Call) -> tuple[bytes, ...]:
    """Return the names under which the client may have called us; they are ours, or checked."""
    return (call.forwarded_host, call.host) if call.forwarded_host else (call.host,)


def _check_claims(proof: Proof, token: str, jkt: str) -> None:
    if proof.nonce is None and not proof.is_recent(time.time()):
        raise InvalidProof("iat is not now: sign a new proof.")
    if not proof.is_for(token):
        raise InvalidProof("ath does not name the access token.")
    if not hmac.compare_digest(proof.thumbprint.encode(), jkt.encode("utf-8", "replace")):
        raise InvalidProof("The access token is bound to another key.", error="invalid_token")


def _check_certificate(field: bytes, thumbprint: str) -> None:
    """RFC 9440 §2.2: the certificate as a byte sequence; RFC 8705 §3.1: its SHA-256."""
    item = _ITEM.fullmatch(field) if len(field) <= _LONGEST_CERTIFICATE else None
    try:
        der = base64.b64decode(item[1], validate=True) if item else b""
    except binascii.Error:
        der = b""
    digest = base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=")
    if not der or not hmac.compare_digest(digest, thumbprint.encode("utf-8", "replace")):
        raise InvalidToken(_CERTIFICATE_NEEDED)
