"""OpenID Connect RP-Initiated Logout 1.0: the end session endpoint."""

from dataclasses import dataclass
from typing import Final

from allauth.account.adapter import get_adapter
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt

from ims import redirect_uris
from ims.authorization.request import read_parameters
from ims.endpoints.browser_endpoint import allow_form_to_reach, browser_endpoint, depart
from ims.models import Client, User
from ims.queries.id_token_hints import IDTokenHint, find_hint
from wire.oauth_errors import UnsafeRedirect

# The validated target waits in the session for the answer to the confirmation page.
_SESSION_KEY: Final = "ims_logout_target"


@dataclass(frozen=True, slots=True)
class LogoutRequest:
    """`target` is the validated address to return to, `state` included; empty for our own page."""

    hint: IDTokenHint | None
    target: str


@csrf_exempt
@browser_endpoint("GET", "POST")
def logout(request: HttpRequest) -> HttpResponse:
    """End the session when a valid hint names its person; otherwise ask the person first.

    Without the question any page of the web could sign people out. A POST of another site comes
    without our cookie and is sent round as a GET, as at the authorization endpoint.
    """
    if request.method == "POST":
        return HttpResponseRedirect(
            f"{reverse('oauth-logout')}?{request.POST.urlencode()}", status=303
        )
    asked = read_logout_request(request.GET)
    user = request.user
    if not isinstance(user, User):
        return _leave(request, asked.target)
    if asked.hint is not None and asked.hint.subject == str(user.subject):
        get_adapter(request).logout(request)
        return _leave(request, asked.target)
    request.session[_SESSION_KEY] = asked.target
    response = render(request, "ims/logout.html")
    return allow_form_to_reach(response, asked.target) if asked.target else response


@browser_endpoint("POST")
def confirm_logout(request: HttpRequest) -> HttpResponse:
    """End the session: the person said so on our page."""
    target = str(request.session.get(_SESSION_KEY, ""))
    get_adapter(request).logout(request)
    return _leave(request, target)


def read_logout_request(query: QueryDict) -> LogoutRequest:
    """Return the checked request (§2, §3). Raises UnsafeRedirect, which becomes a page."""
    parameters = read_parameters(query)
    for name, values in parameters.items():
        if len(values) > 1:
            raise UnsafeRedirect("A parameter was sent twice.", detail=name[:64])
    given = {name: values[0] for name, values in parameters.items()}
    # PostgreSQL has no NUL in text, and no client of ours such an identifier.
    if "\0" in given.get("client_id", ""):
        raise UnsafeRedirect("client_id: no application is registered under this identifier.")
    hint = find_hint(given["id_token_hint"]) if "id_token_hint" in given else None
    client_id = given.get("client_id") or (hint.client_id if hint else "")
    if hint is not None and hint.client_id != client_id:
        raise UnsafeRedirect("client_id: the ID token was issued to another client.")
    return LogoutRequest(hint=hint, target=_read_target(given, client_id))


def _read_target(given: dict[str, str], client_id: str) -> str:
    uri = given.get("post_logout_redirect_uri", "")
    if not uri:
        return ""
    client = Client.objects.filter(client_id=client_id, disabled_at=None).first()
    if client is None or not client.post_logout_redirect_uri_allowed(uri):
        raise UnsafeRedirect(
            "post_logout_redirect_uri: it is not registered for this application. Send client_id "
            "or id_token_hint with an address equal in every character to a registered one."
        )
    return redirect_uris.with_parameters(uri, {"state": given.get("state", "")})


def _leave(request: HttpRequest, target: str) -> HttpResponse:
    return depart(request, target) if target else render(request, "ims/logged_out.html")
