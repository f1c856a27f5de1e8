"""RFC 9449 §4.3, §8, §9: the proof that comes with a request, and the nonces that go back."""

import time
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from ims import conf, replay
from ims.dpop import nonces
from ims.dpop.proof import LONGEST_AGE_SECONDS, Proof, UnusableProof, read_proof
from ims.errors import NonceNeededByResource, ProofRefusedByResource
from ims.models import Client
from wire.oauth_errors import InvalidDPoPProof, InvalidRequest, UseDPoPNonce

_REMEMBERED_SECONDS: Final = 2 * max(nonces.LONGEST_LIFE_SECONDS, LONGEST_AGE_SECONDS)
_NEW_NONCE: Final = "_dpop_nonce"
_NONCE_TEXT: Final = "Sign the proof with the nonce of the DPoP-Nonce header, then try again."


def find_proof(request: HttpRequest) -> Proof | None:
    """Return the proof at an endpoint of the authorization server, None where there is none.

    It is not used up: see `accept_proof`. Runs no statement, and comes before the client is
    authenticated: an assertion is good for one request, and should not be wasted on one that is to
    be repeated with a nonce. Raises InvalidDPoPProof and UseDPoPNonce.
    """
    text = request.META.get("HTTP_DPOP")
    if text is None:
        return None
    try:
        proof = _read(request, text)
    except UnusableProof as error:
        raise InvalidDPoPProof(f"DPoP: {error}.") from error
    if _lacks_nonce(proof, is_required=settings.DPOP_NONCE_REQUIRED):
        raise UseDPoPNonce(_NONCE_TEXT)
    if proof.nonce is None and not proof.is_recent(time.time()):
        raise InvalidDPoPProof("DPoP: iat is not now; sign a new proof.")
    _renew_nonce(request, proof)
    return proof


def accept_proof(proof: Proof | None) -> str:
    """Return the thumbprint of the proof's key, empty without one; one round trip to Valkey.

    Raises InvalidDPoPProof for a replay, and TemporarilyUnavailable.
    """
    if proof is None:
        return ""
    if not _is_first_use(proof):
        raise InvalidDPoPProof("DPoP: this proof was used before; sign a new one.")
    return proof.thumbprint


def check_binding(thumbprint: str, *, client: Client) -> None:
    """RFC 9449 §5.2: a client registered for bound tokens gets no others. Raises InvalidRequest."""
    if not thumbprint and client.metadata.get("dpop_bound_access_tokens") is True:
        raise InvalidRequest("DPoP: this client is registered for bound tokens; send a proof.")


def check_proof_of_token(request: HttpRequest, *, access_token: str, thumbprint: str) -> None:
    """Return when the request proves the key that `access_token` is bound to (RFC 9449 §7.1).

    A nonce is not demanded here, but one that is sent must be ours. Raises ProofRefusedByResource
    and NonceNeededByResource, and TemporarilyUnavailable.
    """
    try:
        proof = _read(request, request.META.get("HTTP_DPOP", ""))
    except UnusableProof as error:
        raise ProofRefusedByResource(f"DPoP: {error}.") from error
    if _lacks_nonce(proof, is_required=False):
        raise NonceNeededByResource(_NONCE_TEXT)
    if proof.nonce is None and not proof.is_recent(time.time()):
        raise ProofRefusedByResource("DPoP: iat is not now; sign a new proof.")
    if not proof.is_for(access_token):
        raise ProofRefusedByResource("DPoP: ath does not name the access token.")
    if proof.thumbprint != thumbprint:
        raise ProofRefusedByResource("DPoP: the access token is bound to another key.")
    if not _is_first_use(proof):
        raise ProofRefusedByResource("DPoP: this proof was used before; sign a new one.")
    _renew_nonce(request, proof)


def add_nonce(request: HttpRequest, response: HttpResponse) -> None:
    """Add the DPoP-Nonce header where the client is to use a new one (RFC 9449 §8.2)."""
    nonce = getattr(request, _NEW_NONCE, None)
    if nonce is not None:
        response["DPoP-Nonce"] = nonce


def _read(request: HttpRequest, text: str) -> Proof:
    address = f"{conf.issuer()}{request.path}"
    return read_proof(text, method=request.method or "", address=address)


def _lacks_nonce(proof: Proof, *, is_required: bool) -> bool:
    return is_required if proof.nonce is None else not nonces.is_ours(proof.nonce)


def _renew_nonce(request: HttpRequest, proof: Proof) -> None:
    if proof.nonce is None or not nonces.is_latest(proof.nonce):
        setattr(request, _NEW_NONCE, nonces.get_nonce())


def _is_first_use(proof: Proof) -> bool:
    return replay.is_first_use("dpop", proof.thumbprint, proof.jti, seconds=_REMEMBERED_SECONDS)
