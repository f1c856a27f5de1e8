"""Sign-in, sign-up and sign-out; the token service does the work."""

from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import rotate_token
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from portal import login
from portal.pages import public_page, session_of


@require_GET
@never_cache
@public_page
def start(request: HttpRequest) -> HttpResponse:
    """Send the browser to the token service's authorization endpoint."""
    target = login.safe_next(request.GET.get("next"))
    return redirect(login.begin_login(session_of(request), next_path=target))


@require_GET
@never_cache
@public_page
def callback(request: HttpRequest) -> HttpResponse:
    """Take the authorization response and go where the developer wanted to."""
    target = login.finish_login(session_of(request), request.GET.dict())
    rotate_token(request)
    return redirect(target)


@require_GET
@never_cache
def sign_up(request: HttpRequest) -> HttpResponse:
    """Send the browser to the token service's sign-up, which comes back through sign-in."""
    target = login.safe_next(request.GET.get("next"))
    back = f"{reverse('portal:login')}?{urlencode({'next': target})}"
    return redirect(f"{settings.ISSUER}/accounts/signup/?{urlencode({'next': back})}")


@require_POST
@never_cache
@public_page
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the portal's session, then the token service's."""
    return redirect(login.end_login(session_of(request)))
