"""RFC 6749 §3.1, OpenID Connect Core §3.1.2: the authorization endpoint."""

import time
from typing import Final

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt

from ims import request_uris
from ims.authorization import pending
from ims.authorization.authentication import (
    Authentication,
    find_authentication,
    get_second_factor_page,
)
from ims.authorization.interaction import Interaction, find_interaction
from ims.authorization.pending import PendingRequest
from ims.authorization.request import AuthorizationRequest, read_parameters
from ims.checks import table
from ims.endpoints.browser_endpoint import answer_client, browser_endpoint
from ims.endpoints.document_clients import read_client_document
from ims.services.issue_authorization_code import issue_authorization_code
from ims.services.take_pushed_request import take_pushed_request
from wire.oauth_errors import OAuthError

# Pages of allauth, by their names.
_SIGN_IN_PAGES: Final[dict[Interaction | None, str]] = {
    Interaction.LOGIN: settings.LOGIN_URL,
    Interaction.REAUTHENTICATION: "account_reauthenticate",
}


@csrf_exempt
@browser_endpoint("GET", "POST")
def authorize(request: HttpRequest) -> HttpResponse:
    """Answer the client at its redirect URI, or take the person to the page that is due first.

    OpenID Connect Core §3.1.2.1: POST is served like GET. A form of another site comes without our
    session cookie (SameSite=Lax), so it is sent round once more as a GET, which has it. That is
    also why no CSRF token is asked for: a POST does nothing else.
    """
    if request.method == "POST":
        query = request.POST.urlencode()
        return HttpResponseRedirect(f"{reverse('oauth-authorize')}?{query}", status=303)
    identifier, asked = _read_request(request)
    read_client_document(asked.parameters.get("client_id", ()))
    checked = table.check_authorization_request(asked.parameters)
    authentication = find_authentication(request)
    interaction = find_due_interaction(checked, authentication, asked=asked)
    if interaction is None and authentication is not None:
        pending.forget(request.session, identifier)
        return answer_with_code(request, checked, authentication)
    identifier = identifier or pending.remember(request.session, asked)
    return go_to_page(interaction, identifier, authentication)


def _read_request(request: HttpRequest) -> tuple[str, PendingRequest]:
    """Return what is asked, and its identifier where this browser has come with it before.

    RFC 9126 §4, RFC 9101 §5: of a pushed request only what was pushed counts. Its name is good for
    one browser, which may reload. Raises InvalidRequestURI.
    """
    parameters = read_parameters(request.GET)
    names = parameters.get("request_uri", ())
    if len(names) != 1 or not request_uris.is_ours(names[0]):
        return "", PendingRequest(parameters=parameters, asked_at=time.time())
    client_ids = parameters.get("client_id", ())
    waiting = pending.find_pushed(request.session, names[0])
    if waiting is not None and waiting[1].parameters["client_id"] == client_ids:
        return waiting
    pushed = take_pushed_request(request_uri=names[0], client_ids=client_ids)
    return "", PendingRequest(parameters=pushed, asked_at=time.time())


def find_due_interaction(
    checked: AuthorizationRequest, authentication: Authentication | None, *, asked: PendingRequest
) -> Interaction | None:
    """Return the page that is due. Raises AuthorizationRefused where `prompt=none` forbids it."""
    try:
        return find_interaction(
            checked,
            authentication=authentication,
            asked_at=asked.asked_at,
            is_account_chosen=asked.is_account_chosen,
        )
    except OAuthError as error:
        raise table.refuse(checked, error) from error


def go_to_page(
    interaction: Interaction | None, identifier: str, authentication: Authentication | None
) -> HttpResponse:
    """Return the redirect to the page that is due; each comes back by itself."""
    consent_page = reverse("oauth-consent", args=[identifier])
    if interaction is Interaction.ACCOUNT:
        return HttpResponseRedirect(reverse("oauth-account", args=[identifier]))
    if interaction is Interaction.SECOND_FACTOR and authentication is not None:
        return redirect_to_login(consent_page, get_second_factor_page(authentication.user))
    if interaction in _SIGN_IN_PAGES:
        return redirect_to_login(consent_page, _SIGN_IN_PAGES[interaction])
    return HttpResponseRedirect(consent_page)


def answer_with_code(
    request: HttpRequest,
    checked: AuthorizationRequest,
    authentication: Authentication,
    *,
    ends_forms: bool = False,
) -> HttpResponse:
    """Return the authorization response of RFC 6749 §4.1.2 with a new code."""
    code = issue_authorization_code(request=checked, authentication=authentication)
    return answer_client(
        request,
        redirect_uri=checked.redirect_uri,
        parameters={"code": code, "state": checked.state},
        response_mode=checked.response_mode,
        ends_forms=ends_forms,
    )
