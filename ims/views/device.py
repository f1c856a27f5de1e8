"""RFC 8628 §3.3: the pages on which a person lets a device in."""

import hashlib
import json
from hmac import compare_digest

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from ims import throttle, user_codes
from ims.authorization import device_requests
from ims.authorization.authentication import Authentication, find_authentication
from ims.endpoints.browser_endpoint import browser_endpoint
from ims.models import DeviceAuthorization
from ims.queries import access, device_authorizations
from ims.queries.permissions import list_permission_groups
from ims.services.answer_device_authorization import answer_device_authorization
from ims.throttle import Purpose
from wire.oauth_errors import UnsafeRedirect


@browser_endpoint("GET", "POST")
def enter_code(request: HttpRequest) -> HttpResponse:
    """Show the field for the code; take the code that was typed, or say that it is wrong.

    With `verification_uri_complete` the field is filled in, and the person still has to compare it
    with the device (§3.3.1): a link alone lets nobody in. Only signed-in people may try codes.
    """
    authentication = find_authentication(request)
    if authentication is None:
        return redirect_to_login(request.get_full_path(), settings.LOGIN_URL)
    if request.method != "POST":
        typed = user_codes.read_user_code(request.GET.get("user_code", ""))
        return render(request, "ims/device.html", {"user_code": typed})
    return _look_up(request, request.POST.get("user_code", ""), authentication)


@browser_endpoint("GET", "POST")
def confirm(request: HttpRequest) -> HttpResponse:
    """Show what the device asks for, and take the answer.

    Asked each time, of first-party clients too: whoever sends somebody a code hopes that it is
    typed in without a look (§5.4).
    """
    authentication = find_authentication(request)
    if authentication is None:
        return redirect_to_login(reverse("device"), settings.LOGIN_URL)
    asked = _find_opened(request, authentication)
    if asked is None:
        device_requests.forget(request.session)
        raise UnsafeRedirect(
            "This code has expired, was answered, or was typed by somebody else. Start again on "
            "the device."
        )
    page = _describe(asked, authentication)
    is_allowed = request.POST.get("decision") == "allow"
    if request.method != "POST" or (is_allowed and not _has_seen(request, page)):
        return render(request, "ims/device_confirm.html", page)
    device_requests.forget(request.session)
    answer_device_authorization(request=asked, authentication=authentication, is_allowed=is_allowed)
    return render(request, "ims/device_done.html", page | {"is_allowed": is_allowed})


def _look_up(request: HttpRequest, typed: str, authentication: Authentication) -> HttpResponse:
    """RFC 8628 §5.1: codes are short, so wrong ones are counted by person and network."""
    subject = str(authentication.user.subject)
    wait = throttle.find_wait_seconds(Purpose.USER_CODE, subject=subject)
    found = None if wait else device_authorizations.find_open_by_user_code(typed)
    if found is not None:
        device_requests.remember(request.session, found, user=authentication.user)
        return HttpResponseRedirect(reverse("device-confirm"), status=303)
    wait = wait or throttle.count_failure(Purpose.USER_CODE, subject=subject)
    page = {"user_code": typed[:32], "is_wrong": True, "wait_minutes": -(-wait // 60)}
    response = render(request, "ims/device.html", page, status=429 if wait else 400)
    if wait:
        response.headers["Retry-After"] = str(wait)
    return response


def _find_opened(
    request: HttpRequest, authentication: Authentication
) -> DeviceAuthorization | None:
    digest = device_requests.find(request.session, user=authentication.user)
    return None if digest is None else device_authorizations.find_open_by_digest(digest)


def _describe(asked: DeviceAuthorization, authentication: Authentication) -> dict[str, object]:
    """Return what the page shows. Raises InvalidScope when the client lost one of the scopes."""
    access.resolve_access(
        client=asked.client, scopes=asked.scopes, resources=asked.resources, for_person=True
    )
    client_name = asked.client.name or asked.client.client_id
    shown = [
        bytes(asked.digest).hex(),
        str(authentication.user.subject),
        client_name,
        asked.scopes,
        asked.resources,
    ]
    return {
        # Stands for everything that the person allows; the form carries it back.
        "seen": hashlib.sha256(json.dumps(shown).encode()).hexdigest(),
        "client_name": client_name,
        "groups": list_permission_groups([(asked.scopes, asked.resources)]),
    }


def _has_seen(request: HttpRequest, page: dict[str, object]) -> bool:
    """Whether the answer is to this page: two tabs may be open, each with a code of its own."""
    return compare_digest(request.POST.get("seen", "").encode(), str(page["seen"]).encode())
