"""RFC 6750 at the management API: requests carry an access token of our own token service."""

from typing import Final

from django.conf import settings
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from ams.http.bearer import BearerInfo, introspect_bearer
from wire.bearer import B64TOKEN
from wire.oauth_errors import InvalidRequest, InvalidToken

REALM: Final = "management"


class BearerAuthentication(BaseAuthentication):
    """Takes the token of the Authorization header; never one of the URL or the body."""

    def authenticate(self, request: Request) -> tuple[BearerInfo, BearerInfo] | None:
        """Return who holds the token, or None without one.

        Raises InvalidRequest, InvalidToken and TokenServiceUnavailable. May block for HTTP.
        """
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        # Two Authorization headers arrive joined by a comma, which no token has.
        if not B64TOKEN.fullmatch(token.strip(" ").encode()):
            raise InvalidRequest("What follows Bearer in the Authorization header is not a token.")
        info = introspect_bearer(token.strip(" "), resource=f"{settings.ISSUER}/api")
        if not info.active:
            raise InvalidToken(
                "The access token is expired, revoked, bound to a key or not made for this API."
            )
        return info, info

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401; its presence makes REST framework answer 401, not 403."""
        del request
        return f'Bearer realm="{REALM}"'
