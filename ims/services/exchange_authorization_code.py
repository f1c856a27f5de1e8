"""Exchange an authorization code for tokens (RFC 6749 §4.1.3, RFC 7636 §4.6)."""

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import Final

from django.db import transaction
from django.utils import timezone

from ims.audit.events import Event, Outcome
from ims.models import AuthorizationCode, Client
from ims.queries import spendable
from ims.services.issue_grant_tokens import TokenSet, issue_grant_tokens
from ims.services.record_audit_event import record_audit_event
from ims.services.revoke_grant import revoke_grant
from ims.services.spend_credential import spend_credential
from wire import bearer
from wire.oauth_errors import InvalidGrant, InvalidRequest

_VERIFIER: Final = re.compile(r"[A-Za-z0-9\-._~]{43,128}")  # RFC 7636 §4.1
_NOT_YOURS: Final = "code: it is unknown, or was issued to another client."


def exchange_authorization_code(
    *,
    client: Client,
    code: str,
    redirect_uri: str,
    code_verifier: str,
    resources: Sequence[str] = (),
    dpop_jkt: str = "",
) -> TokenSet:
    """Return the tokens that `code` is worth, once.

    The code's row is locked, so two exchanges at a time cannot both win. RFC 6749 §4.1.2: a code
    that comes a second time was stolen, before or after its first use, so everything issued from
    it is revoked. Runs five statements, BEGIN and COMMIT included. Raises InvalidRequest,
    InvalidGrant and InvalidTarget.
    """
    if not code:
        raise InvalidRequest("code: the parameter is missing.")
    if not _VERIFIER.fullmatch(code_verifier):
        raise InvalidRequest(
            "code_verifier: PKCE is required; send the verifier, 43 to 128 unreserved characters."
        )
    with transaction.atomic():
        locked = _lock_code(client, code, resources)
        row = locked.row
        if row.used_at is None:
            _check_binding(row, redirect_uri=redirect_uri, code_verifier=code_verifier)
            _check_key(row, dpop_jkt)
            refreshable = row.grant.may_be_refreshed_by(client)
            refresh_token = bearer.mint(bearer.Prefix.REFRESH_TOKEN) if refreshable else ""
            spend_credential(
                spent=row, client=client, refresh_token=refresh_token, dpop_jkt=dpop_jkt
            )
            return issue_grant_tokens(
                client=client,
                spent=locked,
                scopes=row.grant.scopes,
                resources=resources,
                refresh_token=refresh_token,
                nonce=row.nonce,
                dpop_jkt=dpop_jkt,
            )
    # Outside of the transaction above: raising there would roll the revocation back.
    revoke_grant(grant=row.grant)
    record_audit_event(
        event=Event.CODE_REPLAYED,
        outcome=Outcome.FAILURE,
        client_id=client.client_id,
        subject=str(row.grant.user.subject),
        detail={"code": bytes(row.digest)[:8].hex(), "grant": str(row.grant_id)},
    )
    raise InvalidGrant(
        "code: it was used before. Every token issued from it is revoked now.",
        detail=f"replay of code {row.digest[:4].hex()} of grant {row.grant_id}",
    )


def _lock_code(
    client: Client, code: str, resources: Sequence[str]
) -> spendable.Spendable[AuthorizationCode]:
    """Return the code, locked with its grant. Raises InvalidGrant unless it is `client`'s."""
    locked = spendable.lock_spendable(
        AuthorizationCode, digest=bearer.digest(code), client=client, resources=resources
    )
    if locked is None:
        raise InvalidGrant(_NOT_YOURS)
    return locked


def _check_binding(row: AuthorizationCode, *, redirect_uri: str, code_verifier: str) -> None:
    if row.expires_at <= timezone.now():
        raise InvalidGrant("code: it has expired; start a new authorization request.")
    if row.grant.revoked_at is not None or not row.grant.user.is_active:
        raise InvalidGrant("code: the authorization was revoked.")
    if not hmac.compare_digest(row.redirect_uri.encode(), redirect_uri.encode()):
        raise InvalidGrant("redirect_uri: it differs from the one in the authorization request.")
    if not hmac.compare_digest(row.code_challenge, _challenge_of(code_verifier)):
        raise InvalidGrant("code_verifier: it does not match the code_challenge.")


def _check_key(row: AuthorizationCode, dpop_jkt: str) -> None:
    """RFC 9449 §10: a code that was asked for with a key is worth nothing without its proof."""
    if row.dpop_jkt and not hmac.compare_digest(row.dpop_jkt, dpop_jkt):
        raise InvalidGrant("code: it is bound to a DPoP key; send a proof made with that key.")


def _challenge_of(code_verifier: str) -> str:
    """RFC 7636 §4.6: BASE64URL-ENCODE(SHA256(ASCII(code_verifier)))."""
    digest = hashlib.sha256(code_verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
