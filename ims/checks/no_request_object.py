"""OpenID Connect Core §6: request objects are not read, and never ignored in silence.

A `request_uri` of our own names a pushed request (RFC 9126), and was resolved before.
"""

from ims.authorization.request import AuthorizationRequest
from ims.errors import RequestNotSupported, RequestURINotSupported


def check(request: AuthorizationRequest) -> None:
    """Pass requests without one. Raises RequestNotSupported or RequestURINotSupported."""
    if request.value("request"):
        raise RequestNotSupported("request: send the parameters themselves.")
    if request.value("request_uri") and not request.is_pushed:
        raise RequestURINotSupported(
            "request_uri: push the request first, or send the parameters themselves."
        )
