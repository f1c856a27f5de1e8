"""Exchange a refresh token for new tokens (RFC 6749 §6, RFC 9700 §4.14.2)."""

import hmac
from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from ims.models import Client, RefreshToken
from ims.services.issue_grant_tokens import TokenSet, issue_grant_tokens
from ims.services.revoke_grant import revoke_grant
from wire import bearer
from wire.oauth_errors import InvalidGrant, InvalidRequest, InvalidScope


def rotate_refresh_token(
    *,
    client: Client,
    refresh_token: str,
    scopes: Sequence[str] = (),
    resources: Sequence[str] = (),
    dpop_jkt: str = "",
) -> TokenSet:
    """Return new tokens, the successor of `refresh_token` among them; it works no more.

    One that was used before is in two hands, and nobody can tell which is the thief's: the whole
    family is revoked. `scopes` cuts the new access token only; the successor is worth what the
    grant is. Raises InvalidRequest, InvalidGrant, InvalidScope and InvalidTarget.
    """
    if not refresh_token:
        raise InvalidRequest("refresh_token: the parameter is missing.")
    with transaction.atomic():
        row = _lock_refresh_token(client, refresh_token)
        # An idempotent answer to the immediate predecessor would be given here, before the replay.
        if row.used_at is None:
            _check_usable(row, scopes)
            _check_key(row, dpop_jkt)
            row.used_at = timezone.now()
            row.save(update_fields=["used_at"])
            return issue_grant_tokens(
                client=client,
                grant=row.grant,
                scopes=tuple(dict.fromkeys(scopes)) or row.grant.scopes,
                resources=resources,
                dpop_jkt=dpop_jkt,
            )
    # Outside of the transaction above: raising there would roll the revocation back.
    revoke_grant(grant=row.grant)
    raise InvalidGrant(
        "refresh_token: it was used before. Every token of its authorization is revoked now.",
        detail=f"replay of refresh token {row.digest[:4].hex()} of grant {row.grant_id}",
    )


def _lock_refresh_token(client: Client, refresh_token: str) -> RefreshToken:
    """Return the row, locked with its grant. Raises InvalidGrant unless it is `client`'s."""
    row = (
        RefreshToken.objects.select_for_update(of=("self", "grant"))
        .select_related("grant__user")
        .filter(digest=bearer.digest(refresh_token), client=client)
        .first()
    )
    if row is None:
        raise InvalidGrant("refresh_token: it is unknown, or was issued to another client.")
    return row


def _check_key(row: RefreshToken, dpop_jkt: str) -> None:
    """RFC 9449 §5: without the key, a stolen refresh token of a public client is worth nothing."""
    if row.dpop_jkt and not hmac.compare_digest(row.dpop_jkt, dpop_jkt):
        raise InvalidGrant("refresh_token: it is bound to a DPoP key; send a proof with that key.")


def _check_usable(row: RefreshToken, scopes: Sequence[str]) -> None:
    if row.expires_at <= timezone.now():
        raise InvalidGrant("refresh_token: it has expired; start a new authorization request.")
    if row.grant.revoked_at is not None or not row.grant.user.is_active:
        raise InvalidGrant("refresh_token: the authorization was revoked.")
    for scope in scopes:
        if scope not in row.grant.scopes:
            raise InvalidScope("scope: a refresh can cut the granted scopes, never add to them.")
