"""RFC 6749 §3.2: the token endpoint."""

from collections.abc import Callable
from typing import Final

from django.http import HttpRequest, HttpResponse, JsonResponse

from ims.endpoints.client_authentication import authenticate_client
from ims.endpoints.endpoint import oauth_endpoint
from ims.models import Client
from ims.services.exchange_authorization_code import exchange_authorization_code
from ims.services.issue_client_token import issue_client_token
from ims.services.issue_grant_tokens import TokenSet
from ims.services.rotate_refresh_token import rotate_refresh_token
from wire.oauth_errors import InvalidRequest, UnauthorizedClient, UnsupportedGrantType


@oauth_endpoint("POST")
def token(request: HttpRequest) -> HttpResponse:
    """Answer with tokens as JSON (§5.1)."""
    client = authenticate_client(request)
    grant_type = request.POST.get("grant_type", "")
    if not grant_type:
        raise InvalidRequest("grant_type: the parameter is missing.")
    if grant_type not in GRANT_TYPES:
        raise UnsupportedGrantType(f"grant_type: supported are {', '.join(GRANT_TYPES)}.")
    if grant_type not in client.grant_types:
        raise UnauthorizedClient(f"grant_type: this client is not registered for {grant_type}.")
    document = GRANT_TYPES[grant_type](client, request).as_document()
    # RFC 6749 §5.1: both headers, for caches of any age.
    return JsonResponse(document, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})


def _exchange_code(client: Client, request: HttpRequest) -> TokenSet:
    return exchange_authorization_code(
        client=client,
        code=request.POST.get("code", ""),
        redirect_uri=request.POST.get("redirect_uri", ""),
        code_verifier=request.POST.get("code_verifier", ""),
        resources=_read_resources(request),
    )


def _refresh(client: Client, request: HttpRequest) -> TokenSet:
    return rotate_refresh_token(
        client=client,
        refresh_token=request.POST.get("refresh_token", ""),
        scopes=request.POST.get("scope", "").split(),
        resources=_read_resources(request),
    )


def _issue_for_client(client: Client, request: HttpRequest) -> TokenSet:
    return issue_client_token(
        client=client,
        scopes=request.POST.get("scope", "").split(),
        resources=_read_resources(request),
    )


def _read_resources(request: HttpRequest) -> list[str]:
    """RFC 8707 §2.2: `resource` may be repeated; an empty one counts as left out."""
    return [resource for resource in request.POST.getlist("resource") if resource]


GRANT_TYPES: Final[dict[str, Callable[[Client, HttpRequest], TokenSet]]] = {
    "authorization_code": _exchange_code,
    "refresh_token": _refresh,
    "client_credentials": _issue_for_client,
}
