"""RFC 9126 §6: a client may be registered for pushed requests only."""

from ims.authorization.request import AuthorizationRequest
from wire.oauth_errors import InvalidRequest


def check(request: AuthorizationRequest) -> None:
    """Pass pushed requests, and any of other clients. Raises InvalidRequest.

    The parameters in a browser's address bar could be anybody's; the client that asked to be
    protected from that gets no code for them.
    """
    is_required = request.client.metadata.get("require_pushed_authorization_requests") is True
    if is_required and not request.is_pushed:
        raise InvalidRequest("request_uri: this client is registered for pushed requests only.")
