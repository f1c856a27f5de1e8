"""The page on which a person says as whom to go on (`prompt=select_account`)."""

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from ims.authorization import pending
from ims.authorization.authentication import find_authentication
from ims.endpoints.browser_endpoint import browser_endpoint
from wire.oauth_errors import UnsafeRedirect


@browser_endpoint("GET", "POST")
def choose_account(request: HttpRequest, request_id: str) -> HttpResponse:
    """Go on as who is signed in, or sign out and let somebody else sign in.

    Signing out ends the session; the request is taken along into the next one.
    """
    asked = pending.find(request.session, request_id)
    if asked is None:
        raise UnsafeRedirect("This request has ended. Go back to the application and start again.")
    choice = request.POST.get("account", "")
    if choice == "other":
        get_adapter(request).logout(request)
        request_id = pending.remember(request.session, asked)
    consent_page = reverse("oauth-consent", args=[request_id])
    if find_authentication(request) is None:
        return redirect_to_login(consent_page, settings.LOGIN_URL)
    if choice == "same":
        pending.choose_account(request.session, request_id)
        return HttpResponseRedirect(consent_page)
    return render(request, "ims/choose_account.html", {"request_id": request_id})
