"""RFC 7591 §2: a client uses only the grant types it registered."""

from ims.authorization.request import AuthorizationRequest
from wire.oauth_errors import UnauthorizedClient


def check(request: AuthorizationRequest) -> None:
    """Pass clients registered for codes. Raises UnauthorizedClient."""
    if "authorization_code" not in request.client.grant_types:
        raise UnauthorizedClient("This application is not registered for authorization_code.")
