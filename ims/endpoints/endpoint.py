"""The edge of the token service: which requests enter, and how a refusal leaves (RFC 6749 §5.2)."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, Final, ParamSpec, cast

from django.core.exceptions import BadRequest, RequestDataTooBig, TooManyFieldsSent
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.http.request import UnreadablePostError
from django.utils.encoding import escape_uri_path
from django.views.decorators.csrf import csrf_exempt

from ims import jws
from ims.dpop.nonces import get_nonce
from ims.endpoints import dpop
from ims.endpoints.bearer_authentication import BoundToken, MissingToken, read_scheme
from ims.endpoints.refusals import record_refusal
from ims.errors import NonceNeededByResource, ProofRefusedByResource, Throttled
from wire import oauth_errors

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]

logger = logging.getLogger(__name__)

REALM: Final = "Tollgate"
# What a page may read besides the body: challenges, nonces of DPoP (RFC 9449 §8), pauses.
EXPOSED_HEADERS: Final = "DPoP-Nonce, Retry-After, WWW-Authenticate"
# RFC 9449 §5.1, §7.1: what proofs may be signed with.
_ALGS: Final = f'algs="{" ".join(jws.ALGORITHMS)}"'
_CHALLENGED: Final = (
    oauth_errors.InvalidToken,
    oauth_errors.InsufficientScope,
    ProofRefusedByResource,
    NonceNeededByResource,
)
_FORM: Final = "application/x-www-form-urlencoded"
# RFC 8707 §2, RFC 8693 §2.1: these two may be sent several times.
_REPEATABLE: Final = frozenset({"audience", "resource"})
# Addresses end up in logs, histories and Referer headers; credentials must not (RFC 6749 §2.3.1,
# RFC 6750 §5.3).
_NEVER_IN_QUERY: Final = frozenset(
    {
        "access_token",
        "actor_token",
        "client_assertion",
        "client_secret",
        "code_verifier",
        "device_code",
        "password",
        "refresh_token",
        "registration_access_token",
        "subject_token",
        "token",
    }
)


def oauth_endpoint(*methods: str, is_shared: bool = False) -> Callable[[View[P]], View[P]]:
    """Return a decorator that makes a view an OAuth endpoint answering `methods`.

    `is_shared` lets pages of any origin call it (Fetch §3.2): browser-based public clients have no
    server of their own. Nothing here acts on a cookie, and `*` keeps browsers from sending any.

    A raised OAuthError becomes the JSON of RFC 6749 §5.2 with the matching challenge. Refused
    before the view runs: other methods (405), repeated parameters (RFC 6749 §3.2), secrets in
    the query string, forms that are not `application/x-www-form-urlencoded`. A response that says
    nothing about caching leaves with `no-store`.
    """

    def decorate(view: View[P]) -> View[P]:
        @csrf_exempt
        @wraps(view)
        def endpoint(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            if is_shared and request.method == "OPTIONS":
                return _answer_preflight(methods)
            if request.method not in methods:
                return _share(_answer_method_not_allowed(methods), is_shared=is_shared)
            try:
                _check_request(request)
                response = view(request, *args, **kwargs)
            except oauth_errors.OAuthError as error:
                scheme = read_scheme(request.headers.get("Authorization"))
                response = answer_error(record_refusal(request, error), scheme=scheme)
                _log_refusal(request, error)
            dpop.add_nonce(request, response)
            response.headers.setdefault("Cache-Control", "no-store")
            return _share(response, is_shared=is_shared)

        return cast("View[P]", endpoint)

    return decorate


def answer_error(error: oauth_errors.OAuthError, *, scheme: str = "Bearer") -> HttpResponse:
    """Return the response of RFC 6749 §5.2, with the challenge of RFC 6750 §3 where one is due."""
    document = error.as_document()
    if error.description:  # it may repeat what the caller sent
        document["error_description"] = _quotable(error.description)
    response = JsonResponse(document, status=error.status)
    response["Cache-Control"] = "no-store"
    if isinstance(error, Throttled):
        response["Retry-After"] = str(error.retry_after_seconds)
    if isinstance(error, oauth_errors.UseDPoPNonce):
        response["DPoP-Nonce"] = get_nonce()
    challenge = build_challenge(error, scheme=scheme)
    if challenge:
        response["WWW-Authenticate"] = challenge
    return response


def build_challenge(error: oauth_errors.OAuthError, *, scheme: str = "Bearer") -> str:
    """Return the `WWW-Authenticate` value that belongs to `error`, or an empty string.

    `scheme` is the one that the request used: Bearer, or DPoP (RFC 9449 §7.1).
    """
    if isinstance(error, oauth_errors.InvalidClient):
        return f'Basic realm="{REALM}", charset="UTF-8"'
    if isinstance(error, MissingToken):
        # RFC 6750 §3.1: a request without credentials SHOULD NOT be told an error code.
        bearer = f'Bearer realm="{REALM}"'
        return f'{bearer}, DPoP realm="{REALM}", {_ALGS}' if error.takes_proofs else bearer
    if isinstance(error, BoundToken | ProofRefusedByResource | NonceNeededByResource):
        scheme = "DPoP"
    if isinstance(error, _CHALLENGED):
        parameters = [f'realm="{REALM}"', f'error="{error.code}"']
        if error.description:
            parameters.append(f'error_description="{_quotable(error.description)}"')
        if isinstance(error, oauth_errors.InsufficientScope) and error.scope:
            parameters.append(f'scope="{_quotable(error.scope)}"')
        if scheme == "DPoP":
            parameters.append(_ALGS)
        return f"{scheme} " + ", ".join(parameters)
    return ""


def _share(response: HttpResponse, *, is_shared: bool) -> HttpResponse:
    """Return `response`, readable by pages of any origin when the endpoint is theirs too."""
    if is_shared:
        response["Access-Control-Allow-Origin"] = "*"
        response["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
    return response


def _answer_preflight(methods: tuple[str, ...]) -> HttpResponse:
    """Return the answer to a CORS preflight (Fetch §3.2.2), or to any other OPTIONS."""
    response = HttpResponse(status=204, headers={"Allow": ", ".join((*methods, "OPTIONS"))})
    response["Access-Control-Allow-Methods"] = ", ".join(methods)
    # Authorization must be named: `*` does not cover it.
    response["Access-Control-Allow-Headers"] = "Authorization, *"
    response["Access-Control-Max-Age"] = "3600"
    return _share(response, is_shared=True)


def _quotable(text: str) -> str:
    """Return `text` with what RFC 6749 §5.2 forbids in descriptions replaced."""
    return "".join(c if " " <= c <= "~" and c not in '"\\' else "'" for c in text)


def _answer_method_not_allowed(methods: tuple[str, ...]) -> HttpResponse:
    allowed = ", ".join(methods)
    error = oauth_errors.InvalidRequest(f"This endpoint answers {allowed} only.")
    response = JsonResponse(error.as_document(), status=405)
    response["Allow"] = allowed
    response["Cache-Control"] = "no-store"
    return response


def _check_request(request: HttpRequest) -> None:
    _check_query(request.GET)
    if request.content_type == "multipart/form-data":
        raise oauth_errors.InvalidRequest(f"Send the parameters as {_FORM}.")
    if request.content_type == _FORM:
        _check_parameters(_read_form(request))


def _read_form(request: HttpRequest) -> QueryDict:
    try:
        return request.POST
    except BadRequest as error:
        raise oauth_errors.InvalidRequest(f"Send the parameters as UTF-8 {_FORM}.") from error
    except (RequestDataTooBig, TooManyFieldsSent) as error:
        raise oauth_errors.InvalidRequest("The request body is too large.") from error
    except UnreadablePostError as error:
        raise oauth_errors.InvalidRequest("The request body ended too early.") from error


def _check_query(query: QueryDict) -> None:
    for name in _NEVER_IN_QUERY & query.keys():
        raise oauth_errors.InvalidRequest(
            f"{name}: send it in the request body or the Authorization header, never in the URL."
        )
    _check_parameters(query)


def _check_parameters(parameters: QueryDict) -> None:
    for name, values in parameters.lists():
        if len(values) > 1 and name not in _REPEATABLE:
            raise oauth_errors.InvalidRequest(f"{_shown(name)}: send the parameter once.")
        # PostgreSQL has no NUL in text; no registered parameter has one either.
        if any("\0" in text for text in (name, *values)):
            raise oauth_errors.InvalidRequest(f"{_shown(name)}: NUL is not allowed.")


def _shown(name: str) -> str:
    """Return a parameter's name as it may be echoed: short, printable ASCII."""
    return _quotable(name[:64])


def _log_refusal(request: HttpRequest, error: oauth_errors.OAuthError) -> None:
    # The public description is left out: it may repeat what the caller sent.
    path = escape_uri_path(request.path)  # a decoded line end would begin a line of its own
    logger.info("%s %s refused: %s %s", request.method, path, error.code, error.detail)
