"""RFC 9700 §4.1.3: the redirect URI is one of the registered ones, character by character."""

from ims.authorization.request import AuthorizationRequest
from wire.oauth_errors import UnsafeRedirect


def check(request: AuthorizationRequest) -> None:
    """Set `redirect_uri`, which is required even of a client that has only one.

    Raises UnsafeRedirect. The registered URIs are not shown: whoever sent the request sees the
    page.
    """
    values = request.parameters.get("redirect_uri", ())
    if not values:
        raise UnsafeRedirect("redirect_uri: the parameter is missing.")
    if len(values) > 1:
        raise UnsafeRedirect("redirect_uri: send the parameter once.")
    if not request.client.redirect_uri_allowed(values[0]):
        raise UnsafeRedirect(
            "redirect_uri: it is not among the redirect URIs this application registered. "
            "Register it, or send a registered one, equal in every character."
        )
    request.redirect_uri = values[0]
