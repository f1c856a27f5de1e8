"""OpenID Connect Core §6: request objects are not read, and never ignored in silence."""

from ims.authorization.request import AuthorizationRequest
from ims.errors import RequestNotSupported, RequestURINotSupported


def check(request: AuthorizationRequest) -> None:
    """Pass requests without one. Raises RequestNotSupported or RequestURINotSupported."""
    if request.value("request"):
        raise RequestNotSupported("request: send the parameters themselves.")
    if request.value("request_uri"):
        raise RequestURINotSupported("request_uri: send the parameters themselves.")
