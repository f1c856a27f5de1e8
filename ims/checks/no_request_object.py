"""OpenID Connect Core §6, §7.2.1: request objects and `registration` are refused, never ignored.

A `request_uri` of our own names a pushed request (RFC 9126), and was resolved before.
"""

from ims.authorization.request import AuthorizationRequest
from ims.errors import (
    RegistrationNotSupported,
    RequestNotSupported,
    RequestURINotSupported,
)


def check(request: AuthorizationRequest) -> None:
    """Pass requests without them. Raises the error of OpenID Connect Core §3.1.2.6 for each."""
    if request.value("request"):
        raise RequestNotSupported("request: send the parameters themselves.")
    if request.value("request_uri") and not request.is_pushed:
        raise RequestURINotSupported(
            "request_uri: push the request first, or send the parameters themselves."
        )
    if request.value("registration"):
        raise RegistrationNotSupported("registration: register at the registration endpoint.")
