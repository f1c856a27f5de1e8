"""OAuth 2.0 Multiple Response Types §2.1: the answer to `code` travels in the query."""

from ims.authorization.request import AuthorizationRequest
from wire.oauth_errors import InvalidRequest


def check(request: AuthorizationRequest) -> None:
    """Pass the default and `query`. Raises InvalidRequest."""
    if request.value("response_mode") not in {"", "query"}:
        raise InvalidRequest("response_mode: only query is supported.")
