"""The edge of the endpoints that a person's browser visits (RFC 6749 §4.1.2.1)."""

import logging
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Concatenate, ParamSpec, cast

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import render
from django.utils.encoding import escape_uri_path

from ims import conf, redirect_uris, response_modes
from ims.endpoints.refusals import record_authorization_refusal
from ims.errors import AuthorizationRefused
from wire.oauth_errors import OAuthError

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]

logger = logging.getLogger(__name__)


def browser_endpoint(*methods: str, ends_forms: bool = False) -> Callable[[View[P]], View[P]]:
    """Return a decorator that makes a view a page or redirect of the token service.

    A refusal that may travel goes to the client's redirect URI, with `state` and `iss`
    (RFC 9207 §2); any other becomes a page. Nothing that leaves here is cached. The site's policy
    `same-origin` keeps codes out of Referer headers; `no-referrer` would not do, for under it
    browsers post the consent form with `Origin: null`, which the CSRF check refuses.
    `ends_forms` says that a GET may be the last of a form's redirects: see `depart`.
    """

    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        def endpoint(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            if request.method not in methods:
                return HttpResponseNotAllowed(methods)
            try:
                response = view(request, *args, **kwargs)
            except AuthorizationRefused as refusal:
                logger.info("%s refused: %s", escape_uri_path(request.path), refusal.error.code)
                record_authorization_refusal(request, refusal)
                response = answer_client(
                    request,
                    redirect_uri=refusal.redirect_uri,
                    parameters=refusal.error.as_document() | {"state": refusal.state},
                    response_mode=refusal.response_mode,
                    ends_forms=ends_forms,
                )
            except OAuthError as error:
                logger.info("%s refused with a page: %s", escape_uri_path(request.path), error.code)
                response = show_error(request, error)
            response.headers.setdefault("Cache-Control", "no-store")
            return response

        return cast("View[P]", endpoint)

    return decorate


def answer_client(
    request: HttpRequest,
    *,
    redirect_uri: str,
    parameters: dict[str, str],
    response_mode: str = response_modes.QUERY,
    ends_forms: bool = False,
) -> HttpResponse:
    """Return the authorization response: `parameters` and `iss` at the validated redirect URI."""
    answer = parameters | {"iss": conf.issuer()}
    if response_mode == response_modes.FORM_POST:
        return _post_answer(request, redirect_uri, answer)
    return depart(
        request, redirect_uris.with_parameters(redirect_uri, answer), ends_forms=ends_forms
    )


def _post_answer(
    request: HttpRequest, redirect_uri: str, parameters: dict[str, str]
) -> HttpResponse:
    """Return the page of Form Post Response Mode §2, which sends itself, or by its button."""
    page = {
        "redirect_uri": redirect_uri,
        "destination": redirect_uris.as_destination(redirect_uri),
        "parameters": {name: value for name, value in parameters.items() if value},
    }
    return allow_form_to_reach(render(request, "ims/form_post.html", page), redirect_uri)


def depart(request: HttpRequest, uri: str, *, ends_forms: bool = False) -> HttpResponse:
    """Return what takes the browser to `uri`, which has been validated.

    A GET that is the last of a form's redirects must not redirect to another origin: Chromium
    holds the whole chain to the `form-action` of the form's page. There a page of our own moves
    on instead. Our consent and logout pages name the target in their policy: their POST redirects.
    """
    if ends_forms and request.method != "POST" and not uri.startswith(f"{conf.issuer()}/"):
        target = {"uri": uri, "destination": redirect_uris.as_destination(uri)}
        return render(request, "ims/departure.html", target)
    status = HTTPStatus.SEE_OTHER if request.method == "POST" else HTTPStatus.FOUND
    # Django's own redirect class knows web schemes only; native applications have private ones.
    return HttpResponse(status=status, headers={"Location": uri})


def show_error(request: HttpRequest, error: OAuthError) -> HttpResponse:
    """Return the page for a refusal that must not leave by redirect."""
    status = HTTPStatus.SERVICE_UNAVAILABLE if error.status >= 500 else HTTPStatus.BAD_REQUEST
    return render(
        request,
        "ims/error.html",
        {"code": error.code, "description": error.description},
        status=status,
    )


def allow_form_to_reach(response: HttpResponse, uri: str) -> HttpResponse:
    """Return `response` with a policy under which its form may end at `uri`."""
    response._csp_update = {"form-action": [redirect_uris.as_csp_source(uri)]}  # type: ignore[attr-defined]  # noqa: SLF001 - django-csp's interface
    return response
