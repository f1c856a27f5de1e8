"""The authorization endpoint's rules in order (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2.2)."""

from collections.abc import Callable, Mapping
from typing import Final

from ims import request_uris
from ims.authorization.request import AuthorizationRequest
from ims.checks import (
    acr_values_are_known,
    challenge_is_s256,
    claims_are_readable,
    client_is_known,
    client_may_use_codes,
    dpop_jkt_is_a_thumbprint,
    id_token_hint_is_ours,
    max_age_is_a_number,
    no_request_object,
    nonce_fits,
    parameters_appear_once,
    prompt_is_coherent,
    redirect_uri_is_registered,
    request_is_pushed_where_required,
    response_mode_is_supported,
    response_type_is_code,
    scopes_meet_resources,
)
from ims.errors import AuthorizationRefused
from wire.oauth_errors import OAuthError

Check = Callable[[AuthorizationRequest], None]

# Until these have passed nobody knows where an answer may go: they raise UnsafeRedirect, which
# becomes a page.
BEFORE_REDIRECT: Final[tuple[Check, ...]] = (
    client_is_known.check,
    redirect_uri_is_registered.check,
)
# From here on a refusal travels to the client's redirect URI. Signed requests (RFC 9101) will enter
# at `no_request_object`; pushed ones (RFC 9126) were checked here when they came, and are again.
AFTER_REDIRECT: Final[tuple[Check, ...]] = (
    parameters_appear_once.check,
    no_request_object.check,
    request_is_pushed_where_required.check,
    response_type_is_code.check,
    response_mode_is_supported.check,
    client_may_use_codes.check,
    challenge_is_s256.check,
    dpop_jkt_is_a_thumbprint.check,
    nonce_fits.check,
    prompt_is_coherent.check,
    max_age_is_a_number.check,
    acr_values_are_known.check,
    id_token_hint_is_ours.check,
    claims_are_readable.check,
    scopes_meet_resources.check,
)


def check_authorization_request(
    parameters: Mapping[str, tuple[str, ...]],
) -> AuthorizationRequest:
    """Return the request that `parameters` make; runs two statements, and one for a hint.

    Raises UnsafeRedirect (show a page) or AuthorizationRefused (redirect).
    """
    request = AuthorizationRequest(parameters)
    for check in BEFORE_REDIRECT:
        check(request)
    try:
        for check in AFTER_REDIRECT:
            check(request)
    except OAuthError as error:
        raise refuse(request, error) from error
    return request


def check_pushed_request(parameters: Mapping[str, tuple[str, ...]]) -> None:
    """Return when `parameters` make a request that the browser may start (RFC 9126 §2.1).

    The same checks in the same order. Raises OAuthError: there is nobody to redirect yet.
    """
    # The name that it will get is not known yet; any one says that it is pushed.
    request = AuthorizationRequest({**parameters, "request_uri": (request_uris.PREFIX,)})
    for check in (*BEFORE_REDIRECT, *AFTER_REDIRECT):
        check(request)


def refuse(request: AuthorizationRequest, error: OAuthError) -> AuthorizationRefused:
    """Return the refusal that takes `error` to the redirect URI of a checked request."""
    return AuthorizationRefused(
        error,
        redirect_uri=request.redirect_uri,
        state=request.state,
        client_id=request.client.client_id,
        response_mode=request.response_mode,
    )
