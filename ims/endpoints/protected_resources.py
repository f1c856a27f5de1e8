"""The registry of protected resources over HTTP: PUT and DELETE (RFC 8707 §2, RFC 9728 §2)."""

from django.http import HttpRequest, HttpResponse, JsonResponse

from ims import conf
from ims.checks.built_in_resources import REGISTRY_PATH, is_built_in
from ims.checks.resource_declaration import check_resource_identifier, parse_resource_declaration
from ims.endpoints.bearer_authentication import authenticate_bearer
from ims.endpoints.endpoint import oauth_endpoint
from ims.endpoints.json_body import read_json_object
from ims.models import AccessToken
from ims.services.delete_protected_resource import delete_protected_resource
from ims.services.register_protected_resource import register_protected_resource
from wire.oauth_errors import InvalidRequest


@oauth_endpoint("PUT", "DELETE")
def protected_resources(request: HttpRequest) -> HttpResponse:
    """Register an API that tokens can be made for, or drop it; both may be repeated."""
    access_token = authenticate_bearer(
        request, scope="resources:write", resource=conf.issuer() + REGISTRY_PATH
    )
    if request.method == "DELETE":
        return _delete(request)
    return _put(request, access_token)


def _put(request: HttpRequest, access_token: AccessToken) -> HttpResponse:
    declaration = parse_resource_declaration(read_json_object(request))
    _check_may_change(declaration.resource)
    register_protected_resource(
        declaration=declaration, registered_by=access_token.client.client_id
    )
    return JsonResponse(declaration.as_document())


def _delete(request: HttpRequest) -> HttpResponse:
    resources = request.GET.getlist("resource")
    if len(resources) != 1:
        raise InvalidRequest("resource: name one protected resource in the query.")
    resource = check_resource_identifier(resources[0])
    _check_may_change(resource)
    delete_protected_resource(resource=resource)
    return HttpResponse(status=204)


def _check_may_change(resource: str) -> None:
    if is_built_in(resource, issuer=conf.issuer()):
        raise InvalidRequest(f"resource: {resource} is built in and cannot be changed here.")
