"""The account page: what applications may do in a person's name, and where they are signed in."""

from allauth.mfa.models import Authenticator
from allauth.usersessions.adapter import get_adapter
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ims.models import User
from ims.queries.allowed_applications import find_allowed_application, list_allowed_applications
from ims.services.withdraw_access import withdraw_access
from ims.views.account_words import describe_browser


@never_cache
@require_GET
@login_required
def account(request: HttpRequest) -> HttpResponse:
    """Show what the person has let in, their sessions, and how they sign in."""
    user = _person(request)
    sessions = sorted(
        UserSession.objects.purge_and_list(user), key=lambda each: each.created_at, reverse=True
    )
    factors = set(Authenticator.objects.filter(user=user).values_list("type", flat=True))
    page = {
        "applications": list_allowed_applications(user=user),
        "sessions": [
            {
                "id": each.pk,
                "browser": describe_browser(each.user_agent),
                "address": each.ip,
                "started_at": each.created_at,
                "is_current": each.is_current(),
            }
            for each in sessions
        ],
        "has_second_factor": bool(factors - {Authenticator.Type.RECOVERY_CODES}),
    }
    return render(request, "ims/account.html", page)


@never_cache
@require_http_methods(["GET", "POST"])
@login_required
def withdraw(request: HttpRequest, client_pk: int) -> HttpResponse:
    """Ask first, then take the application's access back."""
    user = _person(request)
    application = find_allowed_application(user=user, client_pk=client_pk)
    if application is None:
        if request.method == "POST":  # sent twice, or taken back in another tab
            return redirect("ims-account")
        raise Http404
    if request.method == "GET":
        return render(request, "ims/account_withdraw.html", {"application": application})
    withdraw_access(user=user, client=application.client)
    messages.success(request, f"{application.name} has no access any more.")
    return redirect("ims-account")


@never_cache
@require_POST
@login_required
def end_session(request: HttpRequest, session_pk: int) -> HttpResponse:
    """Sign out elsewhere; the present session has its own way out."""
    session = get_object_or_404(UserSession, pk=session_pk, user=_person(request))
    if session.is_current():
        return redirect("account_logout")
    get_adapter().end_sessions([session])
    messages.success(request, "That session has ended.")
    return redirect("ims-account")


def _person(request: HttpRequest) -> User:
    user = request.user
    assert isinstance(user, User)  # noqa: S101 - login_required has seen to it
    return user
