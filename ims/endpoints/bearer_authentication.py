"""RFC 6750 §2.1, RFC 9449 §7.1: the token service's own protected resources."""

from typing import Final

from django.http import HttpRequest

from ims.endpoints.dpop import check_proof_of_token
from ims.models import AccessToken
from ims.queries.live_tokens import is_live
from wire import bearer
from wire.oauth_errors import InsufficientScope, InvalidRequest, InvalidToken

_DEAD_TOKEN: Final = (
    "The access token is malformed, expired, revoked or made for another resource; get a new one."  # noqa: S105 - a message
)


class MissingToken(InvalidToken):
    """The request carries no access token at all, so its challenge names no error.

    `takes_proofs`: a token that is bound to a key would do as well.
    """

    def __init__(self, description: str = "", *, takes_proofs: bool = False) -> None:
        super().__init__(description)
        self.takes_proofs = takes_proofs


class BoundToken(InvalidToken):
    """RFC 9449 §7.2: the token is bound to a key, so it is no bearer token."""


def authenticate_bearer(
    request: HttpRequest, *, scope: str, resource: str | None = None
) -> AccessToken:
    """Return the live access token of `request`, with client, user and grant; runs one statement.

    `scope` is required of it, and `resource` (RFC 8707), where given, must be one it was made for.
    A token that is bound to a key needs the scheme DPoP and a proof, and only such a token does.
    Raises InvalidToken and InsufficientScope (RFC 6750 §3.1), InvalidRequest for a malformed
    header, ProofRefusedByResource and NonceNeededByResource.
    """
    header = request.headers.get("Authorization")
    scheme = read_scheme(header)
    token = _read_token(header, schemes=("bearer", "dpop"))
    if not bearer.is_well_formed(token, bearer.Prefix.ACCESS_TOKEN):
        raise InvalidToken(_DEAD_TOKEN, detail="no access token of ours")
    access_token = (
        AccessToken.objects.select_related("client", "user", "grant")
        .filter(digest=bearer.digest(token))
        .first()
    )
    if access_token is None or not is_live(access_token):
        raise InvalidToken(_DEAD_TOKEN, detail="unknown, expired or revoked")
    _check_key(request, access_token, token=token, scheme=scheme)
    if resource is not None and resource not in access_token.resources:
        raise InvalidToken(_DEAD_TOKEN, detail=f"made for {access_token.resources}")
    if scope not in access_token.scopes:
        raise InsufficientScope(f"This needs the scope {scope}.", scope=scope)
    return access_token


def _check_key(request: HttpRequest, access_token: AccessToken, *, token: str, scheme: str) -> None:
    if not access_token.dpop_jkt:
        if scheme == "DPoP":
            raise InvalidToken("The access token is bound to no key; send it as Bearer.")
        return
    if scheme != "DPoP":
        # RFC 9449 §7.2: taken as a bearer token, it would be good for whoever stole it.
        raise BoundToken("The access token is bound to a key; send it as DPoP, with a proof.")
    check_proof_of_token(request, access_token=token, thumbprint=access_token.dpop_jkt)


def read_scheme(header: str | None) -> str:
    """Return `DPoP` or `Bearer`, as the Authorization header has it."""
    return "DPoP" if (header or "").partition(" ")[0].lower() == "dpop" else "Bearer"


def read_bearer(header: str | None) -> str:
    """Return the bearer token in an Authorization header, unverified.

    Raises MissingToken without one, InvalidRequest when it is no `b64token`.
    """
    return _read_token(header, schemes=("bearer",))


def _read_token(header: str | None, *, schemes: tuple[str, ...]) -> str:
    scheme, _, token = (header or "").partition(" ")
    if scheme.lower() not in schemes:
        raise MissingToken(
            "Send an access token: Authorization: Bearer <token>.", takes_proofs="dpop" in schemes
        )
    # The header may hold any bytes; Django shows them as latin-1.
    if not bearer.B64TOKEN.fullmatch(token.strip(" ").encode("utf-8", "replace")):
        raise InvalidRequest("Authorization: one bearer token is expected after the scheme.")
    return token.strip(" ")
