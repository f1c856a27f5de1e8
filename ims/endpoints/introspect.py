"""RFC 7662: token introspection, and the phantom token exchange behind `Accept`."""

import math
from collections.abc import Sequence
from typing import Final

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.cache import patch_vary_headers

from ims.endpoints import client_authentication
from ims.endpoints.endpoint import oauth_endpoint
from ims.queries.introspection import (
    IntrospectedToken,
    Introspection,
    VisibleResource,
    find_introspection,
)
from ims.services.introspect_as_document import introspect_as_document
from ims.services.introspect_as_jwt import introspect_as_jwt
from wire import bearer
from wire.introspection import JSON_MEDIA_TYPE, PHANTOM_JWT_MEDIA_TYPE, RESOURCE_PARAMETER
from wire.oauth_errors import InvalidRequest, InvalidTarget

_OFFERED: Final = (JSON_MEDIA_TYPE, PHANTOM_JWT_MEDIA_TYPE)


@oauth_endpoint("POST")
def introspect(request: HttpRequest) -> HttpResponse:
    """Answer what the caller may know of a token; runs one statement in all.

    Only access tokens are known here: a resource server has no business with refresh tokens.
    """
    answer = _find(request)
    wanted = _read_resource_parameter(request)
    wants_jwt = request.get_preferred_type(_OFFERED) == PHANTOM_JWT_MEDIA_TYPE
    resources = _select(answer.token, wanted)
    if answer.token is None or not resources:
        response = _answer_inactive(wants_jwt=wants_jwt)
    elif wants_jwt:
        response = _answer_jwt(answer.token, resources)
    else:
        response = JsonResponse(introspect_as_document(token=answer.token, resources=resources))
        response["Cache-Control"] = _live_as_long_as(answer.token)
    patch_vary_headers(response, ["Accept"])
    return response


def _find(request: HttpRequest) -> Introspection:
    """Return the answer for an authenticated caller. Raises InvalidClient, InvalidRequest."""
    presented = client_authentication.read_credentials(request)
    token = request.POST.get("token", "")
    # A token that fails its checksum is not looked up, but the caller still has to say who it is.
    known_shape = bearer.is_well_formed(token, bearer.Prefix.ACCESS_TOKEN)
    answer = find_introspection(
        client_id=presented.client_id,
        secret_digest=presented.secret_digest,
        token_digest=bearer.digest(token) if known_shape else None,
    )
    if answer is None:
        raise client_authentication.refused(presented)
    client_authentication.check_method(presented, registered=answer.token_endpoint_auth_method)
    if not token:
        raise InvalidRequest("token: the parameter is missing; send it form-urlencoded.")
    return answer


def _read_resource_parameter(request: HttpRequest) -> str | None:
    resources = [resource for resource in request.POST.getlist(RESOURCE_PARAMETER) if resource]
    if len(resources) > 1:
        raise InvalidTarget("resource: ask for one protected resource at a time.")
    return resources[0] if resources else None


def _select(token: IntrospectedToken | None, wanted: str | None) -> Sequence[VisibleResource]:
    if token is None:
        return ()
    if wanted is None:
        return token.resources
    return [resource for resource in token.resources if resource.resource == wanted]


def _answer_inactive(*, wants_jwt: bool) -> HttpResponse:
    # Not cacheable: a token issued a moment later has the same right to be seen.
    response = HttpResponse(status=204) if wants_jwt else JsonResponse({"active": False})
    response["Cache-Control"] = "no-store"
    return response


def _answer_jwt(token: IntrospectedToken, resources: Sequence[VisibleResource]) -> HttpResponse:
    if len(resources) > 1:
        raise InvalidTarget(
            "resource: this token is for several of your protected resources; name the one that"
            " the JWT is for."
        )
    jwt = introspect_as_jwt(token=token, resource=resources[0])
    response = HttpResponse(jwt, content_type=PHANTOM_JWT_MEDIA_TYPE)
    response["Cache-Control"] = _live_as_long_as(token)
    return response


def _live_as_long_as(token: IntrospectedToken) -> str:
    """RFC 9111 §5.2.2: fresh for the token's whole remaining seconds, never longer."""
    remaining = (token.expires_at - timezone.now()).total_seconds()
    return f"private, max-age={max(0, math.floor(remaining))}"
