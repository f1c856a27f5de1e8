"""Around every page: who is signed in, and what a domain error looks like."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from ams.errors import AlreadySubscribed, AMSError, NotFound
from portal.errors import PortalError, RegistrationGone, SignInFailed
from portal.models import Developer

if TYPE_CHECKING:
    from django.contrib.sessions.backends.base import SessionBase

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]


class DeveloperRequest(HttpRequest):
    """A request of a signed-in developer."""

    developer: Developer
    portal_session: "SessionBase"


def session_of(request: HttpRequest) -> "SessionBase":
    session: SessionBase = request.portal_session  # type: ignore[attr-defined]
    return session


def find_developer(request: HttpRequest) -> Developer | None:
    """Return who is signed in at the portal. Runs a query."""
    developer_id = session_of(request).get("developer_id")
    if not developer_id:
        return None
    return Developer.objects.filter(pk=developer_id).first()


def public_page(view: View[P]) -> View[P]:
    """Answer domain errors with a page that says what to do."""

    @functools.wraps(view)
    def page(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        try:
            response = view(request, *args, **kwargs)
        except NotFound as error:
            raise Http404(str(error)) from error
        except (PortalError, AMSError) as error:
            response = _show_problem(request, error)
        # Every page greets whoever is signed in: none is for a shared cache.
        response.headers.setdefault("Cache-Control", "private, no-cache")
        return response

    return page


def developer_page(
    view: Callable[Concatenate[DeveloperRequest, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Let developers in, send others to sign in; no cache keeps what is theirs."""

    @functools.wraps(view)
    @public_page
    def page(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        developer = find_developer(request)
        if developer is None:
            return _ask_to_sign_in(request)
        request.developer = developer  # type: ignore[attr-defined]
        response = view(request, *args, **kwargs)  # type: ignore[arg-type]
        response.headers.setdefault("Cache-Control", "private, no-store")
        return response

    return page


def _ask_to_sign_in(request: HttpRequest) -> HttpResponse:
    is_partial = bool(getattr(request, "htmx", False))
    target = request.get_full_path() if request.method == "GET" and not is_partial else "/"
    url = f"{reverse('portal:login')}?{urlencode({'next': target})}"
    if is_partial:  # a fragment cannot show a sign-in page: move the whole tab
        return HttpResponse(status=204, headers={"HX-Redirect": url})
    return redirect(url)


def _show_problem(request: HttpRequest, error: Exception) -> HttpResponse:
    status, title = _PROBLEMS.get(type(error)) or _default(error)
    context: dict[str, Any] = {
        "title": title,
        "message": str(error),
        "is_sign_in": isinstance(error, SignInFailed),
        "is_retryable": getattr(error, "retryable", False),
    }
    return render(request, "portal/problem.html", context, status=status)


_PROBLEMS: dict[type[Exception], tuple[int, str]] = {
    SignInFailed: (400, "Sign-in did not work"),
    AlreadySubscribed: (409, "Already subscribed"),
    RegistrationGone: (410, "This application is gone at the token service"),
}


def _default(error: Exception) -> tuple[int, str]:
    if isinstance(error, PortalError):
        return 503, "Not available right now"
    return 409, "That is not possible now"
