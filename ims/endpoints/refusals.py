"""What a refusal leaves behind: a line in the audit log, and a count where it may be a guess."""

from typing import Final

from django.http import HttpRequest

from ims import throttle
from ims.audit import context
from ims.audit.events import Event, Outcome
from ims.errors import AuthorizationRefused, Throttled
from ims.models import User
from ims.registration_limits import DEVICE_CODE
from ims.services.record_audit_event import record_audit_event
from ims.throttle import Purpose
from wire.oauth_errors import InvalidGrant, OAuthError

# By the name of the address in ims/urls.py.
_EVENTS: Final = {
    "oauth-token": Event.TOKEN_REFUSED,
    "oauth-introspect": Event.INTROSPECTION_REFUSED,
    "oauth-revoke": Event.TOKEN_REVOKED,
    "oauth-device-authorization": Event.AUTHORIZATION_REFUSED,
    "oauth-par": Event.AUTHORIZATION_REFUSED,
    "oauth-registration": Event.CLIENT_UPDATED,
    "oauth-secret": Event.SECRET_ROTATED,
    "oauth-protected-resources": Event.RESOURCE_REGISTERED,
}
# Steps of a protocol that goes well: RFC 8628 §3.5, RFC 9449 §8.
_NO_REFUSALS: Final = frozenset({"authorization_pending", "slow_down", "use_dpop_nonce"})


def refuse_guess(
    error: OAuthError, *, purpose: Purpose, event: Event, subject: str = "", client_id: str = ""
) -> OAuthError:
    """Return `error`, counted and recorded; Throttled in its place once there were too many.

    What is refused by Throttled is not recorded any more: guesses must not fill the log.
    """
    wait = throttle.count_failure(purpose, subject=subject)
    if wait:
        return Throttled(retry_after_seconds=wait, detail=error.detail)
    record_audit_event(event=event, outcome=Outcome.FAILURE, client_id=client_id, reason=error.code)
    return error


def record_refusal(request: HttpRequest, error: OAuthError) -> OAuthError:
    """Record what a client was refused that had proved who it is; return what to answer.

    Strangers are recorded where they are recognised as guessers (`refuse_guess`): their requests
    cost them nothing, so a line for each would be theirs to write. Guessing device codes, which
    everybody may poll with, is slowed down here.
    """
    origin = context.current()
    match = request.resolver_match
    event = _EVENTS.get(match.url_name or "") if match else None
    if event is None or not origin.client_id:
        return error
    if error.status >= 500 or error.code in _NO_REFUSALS or isinstance(error, Throttled):
        return error
    if isinstance(error, InvalidGrant) and origin.facts.get("grant_type") == DEVICE_CODE:
        return refuse_guess(
            error,
            purpose=Purpose.DEVICE_CODE,
            event=event,
            subject=origin.client_id,
            client_id=origin.client_id,
        )
    record_audit_event(
        event=event, outcome=Outcome.FAILURE, client_id=origin.client_id, reason=error.code
    )
    return error


def record_authorization_refusal(request: HttpRequest, refusal: AuthorizationRefused) -> None:
    """Record what a client was refused with a person signed in; others cost a stranger nothing."""
    user = request.user
    if isinstance(user, User):
        record_audit_event(
            event=Event.AUTHORIZATION_REFUSED,
            outcome=Outcome.FAILURE,
            client_id=refusal.client_id,
            subject=str(user.subject),
            reason=refusal.error.code,
        )
