"""RFC 6749 §3.1.1: `code` is the one response type (RFC 9700 §2.1.2 advises against the others)."""

from ims.authorization.request import AuthorizationRequest
from wire.oauth_errors import InvalidRequest, UnsupportedResponseType


def check(request: AuthorizationRequest) -> None:
    """Pass `code`. Raises InvalidRequest and UnsupportedResponseType."""
    response_type = request.value("response_type")
    if not response_type:
        raise InvalidRequest("response_type: the parameter is missing; send code.")
    if response_type != "code":
        raise UnsupportedResponseType("response_type: only code is supported.")
