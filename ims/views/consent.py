"""The consent page, which is also where a request goes on after its person signed in."""

import hashlib
import json
from dataclasses import dataclass
from hmac import compare_digest

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from ims.authorization import pending
from ims.authorization.authentication import Authentication, find_authentication
from ims.authorization.interaction import Interaction
from ims.authorization.pending import PendingRequest
from ims.authorization.request import AuthorizationRequest
from ims.checks import table
from ims.checks.host_patterns import host_of
from ims.endpoints.authorize import answer_with_code, find_due_interaction, go_to_page
from ims.endpoints.browser_endpoint import allow_form_to_reach, browser_endpoint
from ims.models import Client
from ims.queries.permissions import list_permission_groups
from ims.redirect_uris import as_destination, is_interceptable
from ims.services.record_consent import record_consent
from wire.oauth_errors import AccessDenied, UnsafeRedirect


@dataclass(frozen=True, slots=True)
class _Stage:
    """A resumed request, checked anew: the client or its scopes may have changed meanwhile."""

    asked: PendingRequest
    checked: AuthorizationRequest
    authentication: Authentication | None
    interaction: Interaction | None


@browser_endpoint("GET", "POST", ends_forms=True)
def consent(request: HttpRequest, request_id: str) -> HttpResponse:
    """Show the page, take its answer, or pass on to what is due instead."""
    stage = _resume(request, request_id)
    authentication = stage.authentication
    if authentication is None or stage.interaction not in {None, Interaction.CONSENT}:
        return go_to_page(stage.interaction, request_id, authentication)
    if request.method == "POST":
        if not _knows_what_is_asked(request, stage.checked):
            return _show_page(request, request_id, stage.checked)
        _take_decision(request, request_id, stage.checked, authentication)
    elif stage.interaction is Interaction.CONSENT:
        return _show_page(request, request_id, stage.checked)
    pending.forget(request.session, request_id)
    return answer_with_code(request, stage.checked, authentication, ends_forms=True)


def _resume(request: HttpRequest, request_id: str) -> _Stage:
    asked = pending.find(request.session, request_id)
    if asked is None:
        raise UnsafeRedirect(
            "This request has ended or was started in another browser. Go back to the application "
            "and start again."
        )
    checked = table.check_authorization_request(asked.parameters)
    authentication = find_authentication(request)
    interaction = find_due_interaction(checked, authentication, asked=asked)
    return _Stage(asked, checked, authentication, interaction)


def _knows_what_is_asked(request: HttpRequest, checked: AuthorizationRequest) -> bool:
    """Whether the answer is to the page as it would be now; a denial needs no such care.

    A request without scopes or resources means those that are registered. The client changes its
    own record, so it could widen the request between the page and the answer.
    """
    seen = request.POST.get("seen", "")
    is_allowed = request.POST.get("decision") == "allow"
    return not is_allowed or compare_digest(seen.encode(), _fingerprint(checked).encode())


def _fingerprint(checked: AuthorizationRequest) -> str:
    """Return what stands for everything that the person allows; the form carries it back."""
    asked = [checked.client.client_id, checked.redirect_uri, checked.scopes, checked.resources]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


def _take_decision(
    request: HttpRequest,
    request_id: str,
    checked: AuthorizationRequest,
    authentication: Authentication,
) -> None:
    """Record what was allowed. Raises AuthorizationRefused unless the answer is `allow`."""
    if request.POST.get("decision") != "allow":
        pending.forget(request.session, request_id)
        raise table.refuse(checked, AccessDenied("The person did not allow the access."))
    record_consent(
        user=authentication.user,
        client=checked.client,
        scopes=checked.scopes,
        resources=checked.resources,
    )


def _show_page(
    request: HttpRequest, request_id: str, checked: AuthorizationRequest
) -> HttpResponse:
    page = {
        "request_id": request_id,
        "seen": _fingerprint(checked),
        "client_name": checked.client.name or checked.client.client_id,
        "publisher": _get_publisher(checked.client),
        "destination": as_destination(checked.redirect_uri),
        # RFC 8252 §8.6: nothing but the person knows which program there will read the answer.
        "is_on_this_device": checked.client.is_public and is_interceptable(checked.redirect_uri),
        "groups": list_permission_groups([(checked.scopes, checked.resources)]),
    }
    response = render(request, "ims/consent.html", page)
    return allow_form_to_reach(response, checked.redirect_uri)


def _get_publisher(client: Client) -> str:
    """Return whose word the client's name is, where that is nobody's here: a host, or nothing."""
    has_document = client.registration_source == Client.RegistrationSource.CIMD
    return host_of(client.client_id) if has_document else ""
