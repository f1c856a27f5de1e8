"""The portal's own session: its cookie is not the token service's, for they are two parties."""

from importlib import import_module
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers
from django.utils.deprecation import MiddlewareMixin

if TYPE_CHECKING:
    from django.contrib.sessions.backends.base import SessionBase

_engine = import_module(settings.SESSION_ENGINE)


def _save(session: "SessionBase") -> None:
    """Keep what changed. Raises SessionInterrupted (400): another tab signed out meanwhile."""
    try:
        session.save()
    except UpdateError as error:
        raise SessionInterrupted("The session ended while this page was made.") from error


class PortalSessionMiddleware(MiddlewareMixin):
    """Load `request.portal_session` from its cookie and save it when it changed."""

    def process_request(self, request: HttpRequest) -> None:
        key = request.COOKIES.get(settings.PORTAL_SESSION_COOKIE_NAME)
        request.portal_session = _engine.SessionStore(key)  # type: ignore[attr-defined]

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        session: SessionBase | None = getattr(request, "portal_session", None)
        if session is None:
            return response
        name = settings.PORTAL_SESSION_COOKIE_NAME
        if session.accessed:
            patch_vary_headers(response, ("Cookie",))
        if session.is_empty():
            if name in request.COOKIES:
                response.delete_cookie(name, samesite="Lax")
        elif session.modified:
            _save(session)
            response.set_cookie(
                name,
                session.session_key or "",
                max_age=session.get_expiry_age(),
                secure=settings.SESSION_COOKIE_SECURE,
                httponly=True,
                samesite="Lax",
            )
        return response
