"""RFC 6749 §2.3: who is the client, and can it prove it."""

import base64
import binascii
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Final
from urllib.parse import unquote_plus

from django.http import HttpRequest
from django.urls import reverse

from ims import conf, throttle
from ims.audit import context
from ims.audit.events import Event
from ims.endpoints.client_assertion import ClientAssertion, is_proven, read_assertion
from ims.endpoints.refusals import refuse_guess
from ims.models import Client
from ims.queries.authenticated_client import find_client
from ims.throttle import Purpose
from wire import bearer
from wire.oauth_errors import InvalidClient, InvalidRequest, OAuthError

_LONGEST_CLIENT_ID: Final = 255
_LONGEST_SECRET: Final = 512
# One text for an unknown client, a wrong or expired secret and a disabled client: nobody learns
# which client identifiers exist.
_REFUSED: Final = (
    "Client authentication failed. Check the client_id, the secret or key, and that the method is"
    " the registered token_endpoint_auth_method."
)


@dataclass(frozen=True, slots=True)
class PresentedCredentials:
    """What a request says about its client.

    `secret_digest` is None for the methods `none` and `private_key_jwt`; only the latter has an
    `assertion`.
    """

    client_id: str
    method: str
    secret_digest: bytes | None = field(default=None, repr=False)
    assertion: ClientAssertion | None = field(default=None, repr=False)


def authenticate_client(request: HttpRequest) -> Client:
    """Return the client that sent `request`; runs one statement.

    Exactly one method, and it must be the client's `token_endpoint_auth_method` (RFC 7591 §2).
    Raises InvalidClient, and InvalidRequest when the request mixes methods.
    """
    return get_authenticated_client(read_credentials(request))


def read_credentials(request: HttpRequest) -> PresentedCredentials:
    """Return the credentials in `request`, unverified; runs no statement.

    Raises InvalidClient when there are none or they are malformed.
    """
    # RFC 7523bis: assertions are made for the issuer; older clients name the token endpoint
    # (OpenID Connect Core §9) or the one they call (RFC 9126 §2).
    issuer = conf.issuer()
    audiences = (issuer, f"{issuer}{_token_path()}", f"{issuer}{request.path}")
    return parse_credentials(
        request.META.get("HTTP_AUTHORIZATION"), request.POST, audiences=audiences
    )


@cache
def _token_path() -> str:
    return reverse("oauth-token")


def parse_credentials(
    header: str | None, form: Mapping[str, str], *, audiences: Collection[str] = ()
) -> PresentedCredentials:
    """Return the credentials in an Authorization header or a form; see `read_credentials`."""
    # RFC 6749 §3.2: parameters sent without a value are treated as if they were omitted.
    client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
    if form.get("client_assertion") or form.get("client_assertion_type"):
        if header is not None or secret:
            # RFC 6749 §2.3: no more than one method in each request.
            raise InvalidRequest("client_assertion: send it without a secret or Authorization.")
        return _present_assertion(client_id, read_assertion(form, audiences=audiences))
    if header is not None:
        presented = _parse_basic(header)
        if secret:
            raise InvalidRequest("Send the secret in the Authorization header or as a parameter.")
        if client_id and client_id != presented.client_id:
            raise InvalidRequest("client_id: it differs from the one in the Authorization header.")
        return presented
    if not client_id:
        raise InvalidClient("Client authentication is missing.")
    return _present(client_id, secret, Client.AuthMethod.POST)


def get_authenticated_client(presented: PresentedCredentials) -> Client:
    """Return the client that `presented` proves; runs one statement. Raises InvalidClient."""
    client = find_client(
        client_id=presented.client_id,
        secret_digest=presented.secret_digest,
        method=None if presented.secret_digest else presented.method,
    )
    if presented.assertion is not None and not is_proven(presented.assertion, client):
        client = None
    if client is None:
        raise refused(presented)
    check_method(presented, registered=client.token_endpoint_auth_method)
    context.identify(client.client_id)
    return client


def check_method(presented: PresentedCredentials, *, registered: str) -> None:
    """Raise InvalidClient unless the method is the registered one. Call after the secret held."""
    if presented.method != registered:
        raise InvalidClient(
            f"This client is registered for {registered}, not for {presented.method}.",
            detail=f"client {presented.client_id!r} used {presented.method}",
        )


def is_proven_by_assertion(presented: PresentedCredentials) -> bool:
    """Whether an assertion came along and proves the client; runs one statement if one did.

    For who looks up the client in a statement of its own. Raises InvalidClient when it does not.
    """
    if presented.assertion is None:
        return False
    get_authenticated_client(presented)
    return True


def refused(presented: PresentedCredentials) -> OAuthError:
    """Return the one error for everything that may be wrong with a client's credentials.

    It is counted and recorded: Throttled in its place once there were too many.
    """
    return refuse_guess(
        InvalidClient(
            _REFUSED, detail=f"client {presented.client_id!r} failed by {presented.method}"
        ),
        purpose=Purpose.CLIENT_AUTHENTICATION,
        event=Event.CLIENT_AUTHENTICATION_FAILED,
        subject=presented.client_id,
        client_id=presented.client_id,
    )


def _present_assertion(client_id: str, assertion: ClientAssertion) -> PresentedCredentials:
    if client_id and client_id != assertion.client_id:
        # RFC 7521 §4.2: it "MUST identify the same client".
        raise InvalidRequest("client_id: it differs from the one in the client_assertion.")
    method = Client.AuthMethod.PRIVATE_KEY_JWT.value
    return PresentedCredentials(assertion.client_id, method, assertion=assertion)


def _parse_basic(header: str) -> PresentedCredentials:
    """RFC 7617 §2 around RFC 6749 §2.3.1: both parts are form-urlencoded before base64."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        raise InvalidClient("Authorization: use the Basic scheme.")
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode()
        client_id, colon, secret = decoded.partition(":")
        client_id = unquote_plus(client_id, errors="strict")
        secret = unquote_plus(secret, errors="strict")
    except (binascii.Error, ValueError) as error:
        raise _malformed_basic() from error
    if not (colon and client_id and secret):
        raise _malformed_basic()
    return _present(client_id, secret, Client.AuthMethod.BASIC)


def _malformed_basic() -> InvalidClient:
    return InvalidClient(
        "Authorization: expected Basic and the base64 of client_id:client_secret, each part"
        " form-urlencoded in UTF-8 first."
    )


def _present(client_id: str, secret: str, method: str) -> PresentedCredentials:
    if len(client_id) > _LONGEST_CLIENT_ID or len(secret) > _LONGEST_SECRET or "\0" in client_id:
        raise InvalidClient(_REFUSED)
    if not secret:
        return PresentedCredentials(client_id, Client.AuthMethod.NONE.value)
    if not bearer.is_well_formed(secret, bearer.Prefix.CLIENT_SECRET):
        # An operator's own choice, or a guess: not looked at from where too many were wrong.
        throttle.refuse_blocked(Purpose.CLIENT_AUTHENTICATION, subject=client_id)
    return PresentedCredentials(client_id, method, bearer.digest(secret))
