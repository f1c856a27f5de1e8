"""RFC 9126: pushed authorization requests."""

from collections.abc import Mapping
from typing import Final

from django.http import HttpRequest, HttpResponse, JsonResponse

from ims.authorization.request import read_parameters
from ims.checks import table
from ims.endpoints import dpop
from ims.endpoints.client_authentication import authenticate_client
from ims.endpoints.document_clients import read_client_document
from ims.endpoints.endpoint import oauth_endpoint
from ims.models import Client
from ims.services.push_authorization_request import push_authorization_request
from wire.oauth_errors import InvalidRequest

# How the client proved itself is no part of what it asks for.
_CREDENTIALS: Final = frozenset({"client_secret", "client_assertion", "client_assertion_type"})


@oauth_endpoint("POST", is_shared=True)
def par(request: HttpRequest) -> HttpResponse:
    """Answer 201 with a `request_uri` for a request that passes every check of the browser's.

    What the authorization endpoint would tell the client by redirect is told here, as JSON
    (RFC 9126 §2.3).
    """
    proof = dpop.find_proof(request)
    read_client_document(request.POST.getlist("client_id"))
    client = authenticate_client(request)
    parameters = _read_request(request, client)
    thumbprint = dpop.accept_proof(proof)
    if thumbprint:
        parameters["dpop_jkt"] = (_bind(parameters, thumbprint),)
    table.check_pushed_request(parameters)
    pushed = push_authorization_request(client=client, parameters=parameters)
    return JsonResponse(
        {"request_uri": pushed.request_uri, "expires_in": pushed.expires_in}, status=201
    )


def _read_request(request: HttpRequest, client: Client) -> dict[str, tuple[str, ...]]:
    """Return the parameters of the authorization request, in the name of the proven client."""
    parameters = read_parameters(request.POST)
    if "request_uri" in parameters:
        # RFC 9126 §2.1: "The request_uri authorization request parameter MUST NOT be provided".
        raise InvalidRequest("request_uri: a pushed request holds the parameters themselves.")
    named = {name: values for name, values in parameters.items() if name not in _CREDENTIALS}
    return named | {"client_id": (client.client_id,)}


def _bind(parameters: Mapping[str, tuple[str, ...]], thumbprint: str) -> str:
    """Return the key that the code will be bound to (RFC 9449 §10.1)."""
    if parameters.get("dpop_jkt", (thumbprint,)) != (thumbprint,):
        raise InvalidRequest("dpop_jkt: it differs from the key of the DPoP proof.")
    return thumbprint
