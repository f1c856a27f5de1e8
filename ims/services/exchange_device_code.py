"""Exchange a device code for tokens, as soon as the person allowed it (RFC 8628 §3.4, §3.5)."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from django.db import transaction
from django.utils import timezone

from ims.audit.events import Event, Outcome
from ims.models import Client, DeviceAuthorization
from ims.queries import spendable
from ims.services.issue_grant_tokens import TokenSet, issue_grant_tokens
from ims.services.record_audit_event import record_audit_event
from ims.services.revoke_grant import revoke_grant
from ims.services.spend_credential import spend_credential
from wire import bearer
from wire.oauth_errors import (
    AccessDenied,
    AuthorizationPending,
    ExpiredToken,
    InvalidGrant,
    InvalidRequest,
    OAuthError,
    SlowDown,
)

# RFC 8628 §3.5: "the interval MUST be increased by 5 seconds for this and all subsequent requests".
_SLOWER_SECONDS: Final = 5
# Past this nothing is gained: the code has expired by then.
_LONGEST_INTERVAL_SECONDS: Final = 600
# Networks are not punctual: a poll may arrive this much early.
_TOLERANCE_SECONDS: Final = 0.5


def exchange_device_code(
    *,
    client: Client,
    device_code: str,
    resources: Sequence[str] = (),
    dpop_jkt: str = "",
) -> TokenSet:
    """Return the tokens that `device_code` is worth, once, after the person allowed the access.

    A second use of an answered code revokes what was made from it, as with authorization codes.
    Raises InvalidRequest, InvalidGrant, InvalidTarget, and what the device has to do by RFC 8628
    §3.5: AuthorizationPending, SlowDown, AccessDenied, ExpiredToken.
    """
    if not device_code:
        raise InvalidRequest("device_code: the parameter is missing.")
    digest = bearer.digest(device_code)
    with transaction.atomic():
        locked = spendable.lock_spendable(
            DeviceAuthorization, digest=digest, client=client, resources=resources
        )
        if locked is not None and locked.row.used_at is None:
            return _issue(client, locked, resources, dpop_jkt)
    if locked is None:
        raise _note_poll(client, digest)
    # Outside of the transaction above: raising there would roll the revocation back.
    grant = spendable.grant_of(locked)
    revoke_grant(grant=grant)
    record_audit_event(
        event=Event.CODE_REPLAYED,
        outcome=Outcome.FAILURE,
        client_id=client.client_id,
        subject=str(grant.user.subject),
        detail={"code": digest[:8].hex(), "grant": str(grant.pk)},
    )
    raise InvalidGrant(
        "device_code: it was used before. Every token issued from it is revoked now.",
        detail=f"replay of device code {digest[:4].hex()}",
    )


def _issue(
    client: Client,
    locked: spendable.Spendable[DeviceAuthorization],
    resources: Sequence[str],
    dpop_jkt: str,
) -> TokenSet:
    row, grant = locked.row, spendable.grant_of(locked)
    if row.expires_at <= timezone.now():
        raise _expired()
    if grant.revoked_at is not None or not grant.user.is_active:
        raise InvalidGrant("device_code: the authorization was revoked.")
    refreshable = grant.may_be_refreshed_by(client)
    refresh_token = bearer.mint(bearer.Prefix.REFRESH_TOKEN) if refreshable else ""
    spend_credential(spent=row, client=client, refresh_token=refresh_token, dpop_jkt=dpop_jkt)
    return issue_grant_tokens(
        client=client,
        spent=locked,
        scopes=grant.scopes,
        resources=resources,
        refresh_token=refresh_token,
        dpop_jkt=dpop_jkt,
    )


@transaction.atomic
def _note_poll(client: Client, digest: bytes) -> OAuthError:
    """Return what to tell a device whose request nobody has allowed; keeps when it asked."""
    rows = DeviceAuthorization.objects.select_for_update()
    row = rows.filter(digest=digest, client=client).first()
    now = timezone.now()
    if row is None:
        return InvalidGrant("device_code: it is unknown, or was issued to another client.")
    if row.expires_at <= now:
        return _expired()
    if row.denied_at is not None:
        return AccessDenied("The person did not allow the access.")
    pause = timedelta(seconds=row.interval_seconds - _TOLERANCE_SECONDS)
    is_early = row.polled_at is not None and now - row.polled_at < pause
    if is_early:
        slower = row.interval_seconds + _SLOWER_SECONDS
        row.interval_seconds = min(slower, _LONGEST_INTERVAL_SECONDS)
    row.polled_at = now
    row.save(update_fields=["polled_at", "interval_seconds"])
    if is_early:
        return SlowDown(f"Wait {row.interval_seconds} seconds between requests from now on.")
    return AuthorizationPending("The person has not answered yet; ask again after the interval.")


def _expired() -> ExpiredToken:
    return ExpiredToken("device_code: it has expired; start again for new codes.")
