"""RFC 9457: each error of the management API as a problem document, in one place."""

import logging
from collections.abc import Mapping
from typing import Any, Final

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from redis.exceptions import RedisError
from rest_framework.exceptions import APIException, MethodNotAllowed

from ams import errors
from ams.http.authentication import REALM
from wire.oauth_errors import InsufficientScope, OAuthError
from wire.problem import MEDIA_TYPE, Problem

_log = logging.getLogger(__name__)

_RETRY_AFTER_SECONDS: Final = "2"
# The most particular class first.
_DOMAIN: Final[tuple[tuple[type[Exception], int, str, str], ...]] = (
    (errors.NotFound, 404, "not-found", "There is no such thing"),
    (Http404, 404, "not-found", "There is no such thing"),
    (errors.AlreadySubscribed, 409, "already-subscribed", "There is such a subscription already"),
    (errors.InvalidTransition, 409, "invalid-transition", "The state does not allow this"),
    (errors.InUse, 409, "in-use", "Others need it"),
    (errors.InvalidFields, 422, "invalid-fields", "Some fields are unusable"),
    (errors.InvalidDocument, 422, "invalid-document", "The document is unusable"),
    (PermissionDenied, 403, "forbidden", "This is not allowed"),
)
_TITLES: Final = {
    400: ("bad-request", "The request is malformed"),
    401: ("credentials-missing", "An access token is needed"),
    403: ("forbidden", "This is not allowed"),
    404: ("not-found", "There is no such thing"),
    405: ("method-not-allowed", "The method is not allowed here"),
    406: ("not-acceptable", "The answer cannot have that media type"),
    415: ("unsupported-media-type", "The body must be JSON"),
}


def answer_problem(error: Exception, context: Mapping[str, Any]) -> HttpResponse | None:
    """Return the problem document of `error`, or None for a fault that must be a 500."""
    del context
    if isinstance(error, OAuthError):
        return _answer_oauth_error(error)
    if isinstance(error, errors.TokenServiceUnavailable | RedisError):
        return _answer_unavailable(error)
    if isinstance(error, APIException):
        return _answer_framework_error(error)
    for kind, status, type_, title in _DOMAIN:
        if isinstance(error, kind):
            detail = "" if isinstance(error, Http404) else str(error)
            return _respond(
                Problem(status, f"/problems/{type_}", title, detail, extensions=_members(error))
            )
    return None


def _members(error: Exception) -> dict[str, object]:
    """Return a JSON Pointer (RFC 6901) for each unusable field."""
    if not isinstance(error, errors.InvalidFields):
        return {}
    return {
        "errors": [
            {"pointer": "".join(f"/{part}" for part in row.path), "detail": row.message}
            for row in error.problems
        ]
    }


def _answer_oauth_error(error: OAuthError) -> HttpResponse:
    challenge = f'Bearer realm="{REALM}", error="{error.code}"'
    if isinstance(error, InsufficientScope):
        challenge += f', scope="{error.scope}"'
    type_ = error.code.replace("_", "-")
    problem = Problem(
        error.status, f"/problems/{type_}", "The access token was refused", error.description
    )
    return _respond(problem, {"WWW-Authenticate": challenge})


def _answer_unavailable(error: Exception) -> HttpResponse:
    _log.warning("tokens cannot be checked: %s", error)
    problem = Problem(
        503,
        "/problems/authority-unavailable",
        "Tokens cannot be checked now",
        "The token service does not answer. Try again.",
    )
    return _respond(problem, {"Retry-After": _RETRY_AFTER_SECONDS})


def _answer_framework_error(error: APIException) -> HttpResponse:
    type_, title = _TITLES.get(error.status_code, ("error", "The request cannot be served"))
    headers = {}
    challenge = getattr(error, "auth_header", "")
    if challenge:
        headers["WWW-Authenticate"] = challenge
    problem = Problem(error.status_code, f"/problems/{type_}", title, str(error.detail))
    if isinstance(error, MethodNotAllowed):
        problem = Problem(405, f"/problems/{type_}", title)
    return _respond(problem, headers)


def _respond(problem: Problem, headers: Mapping[str, str] | None = None) -> HttpResponse:
    return HttpResponse(
        problem.encode(),
        status=problem.status,
        content_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-store", **(headers or {})},
    )
