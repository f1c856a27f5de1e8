"""OAuth 2.0 Multiple Response Types §2.1: the answer travels in the query or in a form."""

from ims import response_modes
from ims.authorization.request import AuthorizationRequest
from wire.oauth_errors import InvalidRequest


def check(request: AuthorizationRequest) -> None:
    """Pass the default, `query` and, to the web, `form_post`. Raises InvalidRequest.

    A fragment would be read by scripts of the page, which codes are not for.
    """
    mode = request.value("response_mode") or response_modes.QUERY
    if mode not in response_modes.SUPPORTED:
        supported = ", ".join(response_modes.SUPPORTED)
        raise InvalidRequest(f"response_mode: supported are {supported}.")
    if not response_modes.is_possible(mode, redirect_uri=request.redirect_uri):
        raise InvalidRequest("response_mode: form_post needs an https redirect URI; send query.")
