"""RFC 6750 §2.1: endpoints of the token service that are protected resources themselves."""

from typing import Final

from django.http import HttpRequest

from ims.models import AccessToken
from ims.queries.live_tokens import is_live
from wire import bearer
from wire.oauth_errors import InsufficientScope, InvalidRequest, InvalidToken

_DEAD_TOKEN: Final = (
    "The access token is malformed, expired, revoked or made for another resource; get a new one."  # noqa: S105 - a message
)


class MissingToken(InvalidToken):
    """The request carries no bearer token at all, so its challenge names no error."""


def authenticate_bearer(
    request: HttpRequest, *, scope: str, resource: str | None = None
) -> AccessToken:
    """Return the live access token of `request`, with client, user and grant; runs one statement.

    `scope` is required of it, and `resource` (RFC 8707), where given, must be one it was made for.
    Raises InvalidToken and InsufficientScope (RFC 6750 §3.1), InvalidRequest for a malformed
    header.
    """
    token = read_bearer(request.headers.get("Authorization"))
    if not bearer.is_well_formed(token, bearer.Prefix.ACCESS_TOKEN):
        raise InvalidToken(_DEAD_TOKEN, detail="no access token of ours")
    access_token = (
        AccessToken.objects.select_related("client", "user", "grant")
        .filter(digest=bearer.digest(token))
        .first()
    )
    if access_token is None or not is_live(access_token):
        raise InvalidToken(_DEAD_TOKEN, detail="unknown, expired or revoked")
    if resource is not None and resource not in access_token.resources:
        raise InvalidToken(_DEAD_TOKEN, detail=f"made for {access_token.resources}")
    if scope not in access_token.scopes:
        raise InsufficientScope(f"This needs the scope {scope}.", scope=scope)
    return access_token


def read_bearer(header: str | None) -> str:
    """Return the token in an Authorization header, unverified.

    Raises MissingToken without a bearer token, InvalidRequest when it is no `b64token`.
    """
    scheme, _, token = (header or "").partition(" ")
    if scheme.lower() != "bearer":
        raise MissingToken("Send an access token: Authorization: Bearer <token>.")
    # The header may hold any bytes; Django shows them as latin-1.
    if not bearer.B64TOKEN.fullmatch(token.strip(" ").encode("utf-8", "replace")):
        raise InvalidRequest("Authorization: one bearer token is expected after the scheme.")
    return token.strip(" ")
