"""RFC 7662: token introspection in three forms, chosen by `Accept`.

JSON (RFC 7662), the JWT about the token for the caller (RFC 9701), and the phantom token exchange.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.cache import patch_vary_headers

from ims.audit import context
from ims.endpoints import client_authentication
from ims.endpoints.endpoint import oauth_endpoint
from ims.introspected import IntrospectedToken, VisibleResource
from ims.queries.introspection import Caller, Introspection, find_introspection
from ims.services.introspect_as_document import introspect_as_document
from ims.services.introspect_as_jwt import introspect_as_jwt
from ims.services.introspect_as_signed_document import introspect_as_signed_document
from wire import bearer
from wire.introspection import (
    INTROSPECTION_JWT_MEDIA_TYPE,
    JSON_MEDIA_TYPE,
    PHANTOM_JWT_MEDIA_TYPE,
    RESOURCE_PARAMETER,
)
from wire.oauth_errors import InvalidRequest, InvalidTarget

# Without a token: it is inactive for this caller.
Form = Callable[[Caller, IntrospectedToken | None, Sequence[VisibleResource]], HttpResponse]


@oauth_endpoint("POST")
def introspect(request: HttpRequest) -> HttpResponse:
    """Answer what the caller may know of a token; runs one statement in all.

    One more for a caller that proves itself by an assertion.

    Only access tokens are known here: a resource server has no business with refresh tokens.
    """
    answer = _find(request)
    wanted = _read_resource_parameter(request)
    resources = select_resources(answer.token, wanted)
    token = answer.token if resources else None
    response = _FORMS[_choose_form(request)](answer.caller, token, resources)
    response["Cache-Control"] = live_as_long_as(token)
    patch_vary_headers(response, ["Accept"])
    return response


def _choose_form(request: HttpRequest) -> str:
    """RFC 9110 §12.5.1: by quality and how exactly it is named; JSON for whoever has no wish."""
    accept = request.META.get("HTTP_ACCEPT", "")
    if accept in _FORMS:
        return str(accept)  # what gateways send; reading a list takes ten times as long
    return request.get_preferred_type(list(_FORMS)) or JSON_MEDIA_TYPE


def _find(request: HttpRequest) -> Introspection:
    """Return the answer for an authenticated caller. Raises InvalidClient, InvalidRequest."""
    presented = client_authentication.read_credentials(request)
    is_proven = client_authentication.is_proven_by_assertion(presented)
    token = request.POST.get("token", "")
    # A token that fails its checksum is not looked up, but the caller still has to say who it is.
    known_shape = bearer.is_well_formed(token, bearer.Prefix.ACCESS_TOKEN)
    answer = find_introspection(
        client_id=presented.client_id,
        secret_digest=presented.secret_digest,
        is_proven=is_proven,
        token_digest=bearer.digest(token) if known_shape else None,
    )
    if answer is None:
        raise client_authentication.refused(presented)
    client_authentication.check_method(
        presented, registered=answer.caller.token_endpoint_auth_method
    )
    context.identify(presented.client_id)
    if not token:
        raise InvalidRequest("token: the parameter is missing; send it form-urlencoded.")
    return answer


def _read_resource_parameter(request: HttpRequest) -> str | None:
    resources = [resource for resource in request.POST.getlist(RESOURCE_PARAMETER) if resource]
    if len(resources) > 1:
        raise InvalidTarget("resource: ask for one protected resource at a time.")
    return resources[0] if resources else None


def select_resources(
    token: IntrospectedToken | None, wanted: str | None
) -> Sequence[VisibleResource]:
    """Return what the caller may see of `token`, of the resource that it wants if it named one."""
    if token is None:
        return ()
    if wanted is None:
        return token.resources
    return [resource for resource in token.resources if resource.resource == wanted]


def _answer_json(
    caller: Caller, token: IntrospectedToken | None, resources: Sequence[VisibleResource]
) -> HttpResponse:
    del caller
    return JsonResponse(introspect_as_document(token=token, resources=resources))


def _answer_signed(
    caller: Caller, token: IntrospectedToken | None, resources: Sequence[VisibleResource]
) -> HttpResponse:
    jwt = introspect_as_signed_document(caller=caller, token=token, resources=resources)
    return HttpResponse(jwt, content_type=INTROSPECTION_JWT_MEDIA_TYPE)


def _answer_phantom(
    caller: Caller, token: IntrospectedToken | None, resources: Sequence[VisibleResource]
) -> HttpResponse:
    del caller
    if token is None:
        return HttpResponse(status=204)
    if len(resources) > 1:
        raise InvalidTarget(
            "resource: this token is for several of your protected resources; name the one that"
            " the JWT is for."
        )
    jwt = introspect_as_jwt(token=token, resource=resources[0])
    return HttpResponse(jwt, content_type=PHANTOM_JWT_MEDIA_TYPE)


# The first is for whoever takes anything.
_FORMS: Final[Mapping[str, Form]] = {
    JSON_MEDIA_TYPE: _answer_json,
    PHANTOM_JWT_MEDIA_TYPE: _answer_phantom,
    INTROSPECTION_JWT_MEDIA_TYPE: _answer_signed,
}


def live_as_long_as(token: IntrospectedToken | None) -> str:
    """RFC 9111 §5.2.2: fresh for the token's whole remaining seconds, never longer.

    An inactive answer is not kept: a token issued a moment later has the same right to be seen.
    """
    if token is None:
        return "no-store"
    remaining = (token.expires_at - timezone.now()).total_seconds()
    return f"private, max-age={max(0, math.floor(remaining))}"
