"""RFC 7591: dynamic client registration. RFC 7592: its management. And our secret rotation."""

from collections.abc import Mapping
from dataclasses import dataclass
from hmac import compare_digest
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, JsonResponse

from ims import conf
from ims.audit import context
from ims.audit.events import Event
from ims.checks.client_metadata import ClientMetadata, parse_client_metadata
from ims.endpoints.bearer_authentication import read_bearer
from ims.endpoints.endpoint import oauth_endpoint
from ims.endpoints.json_body import read_json_object, read_optional_json_object
from ims.endpoints.refusals import refuse_guess
from ims.models import Client, InitialAccessToken, RegistrationPolicy
from ims.queries.clients import (
    describe_secret,
    find_initial_access_token,
    find_registered_client,
    get_client_information,
)
from ims.registration_limits import RegistrationLimits, get_limits, get_limits_of_client
from ims.registration_rate import count_new_client
from ims.services.delete_client import delete_client
from ims.services.ensure_registration_policy import ensure_registration_policy
from ims.services.register_client import register_client
from ims.services.rotate_client_secret import rotate_client_secret
from ims.services.update_client import update_client
from ims.throttle import Purpose
from wire import bearer
from wire.oauth_errors import InvalidClientMetadata, InvalidRequest, InvalidToken

# RFC 7592 §2.2: the client MUST NOT include these in an update.
_SERVERS_MEMBERS: Final = (
    "client_id_issued_at",
    "client_secret_expires_at",
    "registration_access_token",
    "registration_client_uri",
)


@dataclass(frozen=True, slots=True)
class _Permission:
    """Why somebody may register: a token, or a policy that is open to anyone."""

    token: InitialAccessToken | None
    policy: RegistrationPolicy | None

    def limits(self) -> RegistrationLimits:
        return get_limits(permission=self.token, policy=self.policy)


@oauth_endpoint("POST", is_shared=True)
def register(request: HttpRequest) -> HttpResponse:
    """RFC 7591 §3.1: register a client; 201 with its credentials.

    With an initial access token, or without any where the administrator opened that door.
    """
    permission = _get_permission(request)
    metadata = parse_client_metadata(read_json_object(request), limits=permission.limits())
    registered = register_client(
        metadata=metadata, initial_access_token=permission.token, policy=permission.policy
    )
    information = get_client_information(
        client=registered.client,
        client_secret=registered.client_secret,
        registration_access_token=registered.registration_access_token,
    )
    return JsonResponse(information, status=201)


def _get_permission(request: HttpRequest) -> _Permission:
    """Return the permission in `request`.

    Raises InvalidToken for a token that is no good, MissingToken where one is needed, and
    TooManyRegistrations. A bad token never falls back to the open door.
    """
    header = request.headers.get("Authorization")
    if header is None:
        policy = ensure_registration_policy(source=RegistrationPolicy.Source.OPEN)
        if policy.is_enabled:
            count_new_client(policy)
            return _Permission(None, policy)
    token, found = read_bearer(header), None
    if bearer.is_well_formed(token, bearer.Prefix.INITIAL_ACCESS_TOKEN):
        found = find_initial_access_token(token=token)
    if found is None:
        raise refuse_guess(
            InvalidToken("The initial access token is unknown, expired or used up."),
            purpose=Purpose.REGISTRATION,
            event=Event.REGISTRATION_REFUSED,
        )
    return _Permission(found, found.policy)


@oauth_endpoint("GET", "PUT", "DELETE", is_shared=True)
def manage_registration(request: HttpRequest, client_id: str) -> HttpResponse:
    """RFC 7592 §2: read, replace or delete a client's record with its registration access token."""
    token, client = _authenticate(request, client_id)
    if request.method == "DELETE":
        delete_client(client=client)
        return HttpResponse(status=204)
    secret = None
    if request.method == "PUT":
        secret = update_client(client=client, metadata=_read_update(request, client))
    information = get_client_information(
        client=client, client_secret=secret, registration_access_token=token
    )
    return JsonResponse(information)


@oauth_endpoint("POST", is_shared=True)
def rotate_secret(request: HttpRequest, client_id: str) -> HttpResponse:
    """Answer a new secret; the ones before end now, or `overlap_seconds` (of a JSON body) later.

    Our extension: RFC 7592 lets a server rotate on an update, but gives the client no way to ask.
    """
    _, client = _authenticate(request, client_id)
    if not client.has_secrets:
        method = client.token_endpoint_auth_method
        raise InvalidRequest(f"This client has no secret: token_endpoint_auth_method is {method}.")
    issued = rotate_client_secret(client=client, overlap_seconds=_read_overlap(request))
    return JsonResponse({"client_id": client.client_id, **describe_secret(issued)})


def _read_overlap(request: HttpRequest) -> int:
    seconds = read_optional_json_object(request).get("overlap_seconds", 0)
    if type(seconds) is not int or not 0 <= seconds <= conf.LONGEST_SECRET_OVERLAP_SECONDS:
        raise InvalidRequest(
            f"overlap_seconds: a whole number from 0 to {conf.LONGEST_SECRET_OVERLAP_SECONDS}."
        )
    return seconds


def _authenticate(request: HttpRequest, client_id: str) -> tuple[str, Client]:
    """Return the registration access token and its client.

    Raises InvalidToken, in the same words for a client that never was (RFC 7592 §2.1: 401).
    """
    token = read_bearer(request.headers.get("Authorization"))
    client = None
    is_token = bearer.is_well_formed(token, bearer.Prefix.REGISTRATION_ACCESS_TOKEN)
    # PostgreSQL has no NUL in text, and no client of ours such an identifier.
    if is_token and "\0" not in client_id:
        client = find_registered_client(client_id=client_id, token=token)
    if client is None:
        raise refuse_guess(
            InvalidToken("The registration access token does not belong to a live client here."),
            purpose=Purpose.REGISTRATION_ACCESS,
            event=Event.REGISTRATION_REFUSED,
            subject=client_id,
            client_id=client_id,
        )
    context.identify(client.client_id)
    return token, client


def _read_update(request: HttpRequest, client: Client) -> ClientMetadata:
    document = read_json_object(request)
    for member in _SERVERS_MEMBERS:
        if member in document:
            raise InvalidClientMetadata(f"{member}: leave it out; the server sets it.")
    if document.get("client_id") != client.client_id:
        raise InvalidClientMetadata("client_id: it must be this client's own.")
    _check_secret(document, client)
    return parse_client_metadata(document, limits=get_limits_of_client(client))


def _check_secret(document: Mapping[str, Any], client: Client) -> None:
    """RFC 7592 §2.2: a secret, if sent, must be the present one; it cannot be chosen."""
    secret = document.get("client_secret")
    if secret is None:
        return
    sent = bearer.digest(secret) if isinstance(secret, str) else b""
    digests = client.secrets.values_list("digest", flat=True)
    if not any(compare_digest(bytes(digest), sent) for digest in digests):
        raise InvalidClientMetadata("client_secret: it cannot be chosen; leave it out.")
