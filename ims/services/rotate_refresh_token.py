"""Exchange a refresh token for new tokens (RFC 6749 §6, RFC 9700 §4.14.2)."""

import hmac
from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from ims import conf, succession
from ims.audit.events import Event, Outcome
from ims.models import Client, RefreshToken
from ims.queries import spendable
from ims.services.issue_grant_tokens import TokenSet, issue_grant_tokens
from ims.services.record_audit_event import record_audit_event
from ims.services.revoke_grant import revoke_grant
from ims.services.spend_credential import spend_credential
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
    """Return a new access token and the one successor of `refresh_token`.

    A client that lost the answer may ask again for a minute, and gets the same successor as long as
    nobody has used that. Any other token that was used before is in two hands, and nobody can tell
    which is the thief's: the whole family is revoked. `scopes` and `resources` cut the new access
    token only; the successor is worth what the grant is. Runs five statements, BEGIN and COMMIT
    included. Raises InvalidRequest, InvalidGrant, InvalidScope and InvalidTarget.
    """
    if not refresh_token:
        raise InvalidRequest("refresh_token: the parameter is missing.")
    with transaction.atomic():
        locked = _lock_refresh_token(client, refresh_token, resources)
        row = locked.row
        _check_key(row, dpop_jkt)
        if row.used_at is None:
            successor = _succeed(row, client, refresh_token, dpop_jkt)
        else:
            successor = _find_untouched_successor(row, refresh_token)
        if successor:
            # A refusal rolls the succession back: the token stays good.
            _check_usable(row, scopes)
            return issue_grant_tokens(
                client=client,
                spent=locked,
                scopes=tuple(dict.fromkeys(scopes)) or row.grant.scopes,
                resources=resources,
                refresh_token=successor,
                dpop_jkt=dpop_jkt,
            )
    # Outside of the transaction above: raising there would roll the revocation back.
    revoke_grant(grant=row.grant)
    record_audit_event(
        event=Event.REFRESH_REPLAYED,
        outcome=Outcome.FAILURE,
        client_id=client.client_id,
        subject=str(row.grant.user.subject),
        detail={"token": bytes(row.digest)[:8].hex(), "grant": str(row.grant_id)},
    )
    raise InvalidGrant(
        "refresh_token: it was used before. Every token of its authorization is revoked now.",
        detail=f"replay of refresh token {row.digest[:4].hex()} of grant {row.grant_id}",
    )


def _lock_refresh_token(
    client: Client, refresh_token: str, resources: Sequence[str]
) -> spendable.Spendable[RefreshToken]:
    """Return the row, locked with its grant. Raises InvalidGrant unless it is `client`'s."""
    locked = spendable.lock_spendable(
        RefreshToken, digest=bearer.digest(refresh_token), client=client, resources=resources
    )
    if locked is None:
        raise InvalidGrant("refresh_token: it is unknown, or was issued to another client.")
    return locked


def _succeed(row: RefreshToken, client: Client, refresh_token: str, dpop_jkt: str) -> str:
    """Return the successor of a token that is used now for the first time."""
    salt = succession.new_salt()
    successor = succession.derive_successor(refresh_token, salt=salt)
    spend_credential(
        spent=row,
        client=client,
        refresh_token=successor,
        dpop_jkt=dpop_jkt,
        successor_salt=salt,
    )
    return successor


def _find_untouched_successor(row: RefreshToken, refresh_token: str) -> str:
    """Return the successor of a token used moments ago, or nothing when it may not be told again.

    Runs one statement. Whoever uses the successor locks the grant, which is locked here: it cannot
    be used and told at the same time.
    """
    window = timedelta(seconds=conf.REFRESH_REPEAT_SECONDS)
    if row.successor_salt is None or row.used_at is None or timezone.now() - row.used_at > window:
        return ""
    salt = bytes(row.successor_salt)
    candidates = {
        bearer.digest(token): token
        for token in succession.list_possible_successors(refresh_token, salt=salt)
    }
    untouched = RefreshToken.objects.filter(
        digest__in=list(candidates), grant=row.grant_id, used_at=None
    )
    digest = untouched.values_list("digest", flat=True).first()
    return "" if digest is None else candidates[bytes(digest)]


def _check_key(row: RefreshToken, dpop_jkt: str) -> None:
    """RFC 9449 §5: without the key, a stolen refresh token of a public client is worth nothing.

    Not even a replay: who cannot show the key must not be able to end the family either.
    """
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
