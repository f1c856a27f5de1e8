"""RFC 6749 §3.2: the token endpoint."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from django.http import HttpRequest, HttpResponse, JsonResponse

from ims.audit import context
from ims.checks.token_exchange_request import parse_token_exchange_request
from ims.endpoints import dpop
from ims.endpoints.client_authentication import authenticate_client
from ims.endpoints.endpoint import oauth_endpoint
from ims.models import Client
from ims.registration_limits import DEVICE_CODE, TOKEN_EXCHANGE
from ims.services.exchange_authorization_code import exchange_authorization_code
from ims.services.exchange_device_code import exchange_device_code
from ims.services.exchange_token import exchange_token
from ims.services.issue_client_token import issue_client_token
from ims.services.issue_grant_tokens import TokenSet
from ims.services.rotate_refresh_token import rotate_refresh_token
from wire.oauth_errors import InvalidRequest, UnauthorizedClient, UnsupportedGrantType


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A token request of an authenticated client.

    `dpop_jkt` is the thumbprint of the key whose proof came along (RFC 9449 §5), or empty.
    """

    http: HttpRequest
    client: Client
    dpop_jkt: str = ""

    def value(self, name: str) -> str:
        """Return the parameter, or an empty string."""
        return self.http.POST.get(name, "")

    @property
    def scopes(self) -> list[str]:
        """The scopes asked for; none where the parameter is left out."""
        return self.value("scope").split()

    @property
    def resources(self) -> list[str]:
        """RFC 8707 §2.2: `resource` may be repeated; an empty one counts as left out."""
        return [resource for resource in self.http.POST.getlist("resource") if resource]


@oauth_endpoint("POST", is_shared=True)
def token(request: HttpRequest) -> HttpResponse:
    """Answer with tokens as JSON (§5.1)."""
    proof = dpop.find_proof(request)
    client = authenticate_client(request)
    grant_type = request.POST.get("grant_type", "")
    if not grant_type:
        raise InvalidRequest("grant_type: the parameter is missing.")
    if grant_type not in GRANT_TYPES:
        raise UnsupportedGrantType(f"grant_type: supported are {', '.join(GRANT_TYPES)}.")
    if grant_type not in client.grant_types:
        raise UnauthorizedClient(f"grant_type: this client is not registered for {grant_type}.")
    context.note(grant_type=grant_type)
    dpop_jkt = dpop.accept_proof(proof)
    dpop.check_binding(dpop_jkt, client=client)
    answer = GRANT_TYPES[grant_type](TokenRequest(request, client, dpop_jkt))
    # RFC 6749 §5.1: both headers, for caches of any age.
    return JsonResponse(
        answer.as_document(), headers={"Cache-Control": "no-store", "Pragma": "no-cache"}
    )


def _exchange_code(request: TokenRequest) -> TokenSet:
    return exchange_authorization_code(
        client=request.client,
        code=request.value("code"),
        redirect_uri=request.value("redirect_uri"),
        code_verifier=request.value("code_verifier"),
        resources=request.resources,
        dpop_jkt=request.dpop_jkt,
    )


def _refresh(request: TokenRequest) -> TokenSet:
    return rotate_refresh_token(
        client=request.client,
        refresh_token=request.value("refresh_token"),
        scopes=request.scopes,
        resources=request.resources,
        dpop_jkt=request.dpop_jkt,
    )


def _exchange_device_code(request: TokenRequest) -> TokenSet:
    return exchange_device_code(
        client=request.client,
        device_code=request.value("device_code"),
        resources=request.resources,
        dpop_jkt=request.dpop_jkt,
    )


def _exchange_token(request: TokenRequest) -> TokenSet:
    return exchange_token(
        client=request.client,
        request=parse_token_exchange_request(request.http.POST),
        dpop_jkt=request.dpop_jkt,
    )


def _issue_for_client(request: TokenRequest) -> TokenSet:
    return issue_client_token(
        client=request.client,
        scopes=request.scopes,
        resources=request.resources,
        dpop_jkt=request.dpop_jkt,
    )


GRANT_TYPES: Final[dict[str, Callable[[TokenRequest], TokenSet]]] = {
    "authorization_code": _exchange_code,
    "refresh_token": _refresh,
    "client_credentials": _issue_for_client,
    DEVICE_CODE: _exchange_device_code,
    TOKEN_EXCHANGE: _exchange_token,
}
