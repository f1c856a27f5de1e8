"""Issue an opaque access token (RFC 6749 §1.4)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

from django.db import connection
from django.utils import timezone

from ims import conf, prepared
from ims.audit.events import Event
from ims.derivation import Derivation
from ims.models import Client, Grant, User
from ims.services import lock_client_tokens, record_audit_event
from wire import bearer
from wire.uuid7 import uuid7

# A token hangs on a row that revocation locks: it is either committed when revocation looks for
# tokens, and revoked, or comes to light when the grant or the client is dead. A client's row is
# shared by thousands of requests a second and would be written by each: an advisory lock is not.
_OF_GRANT: Final = "SELECT id FROM ims_grant WHERE id = %s FOR KEY SHARE"
# ADR-0012: a transaction that holds nothing but an access token does not wait for the disk.
_UNFLUSHED: Final = ", mode AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))"
_INSERT: Final = """
WITH audit AS ({audit}), held AS MATERIALIZED ({held}){mode}
INSERT INTO ims_accesstoken (digest, id, client_id, grant_id, user_id, scopes, resources,
                             dpop_jkt, actor, parent_digest, subject, issued_at, expires_at)
SELECT %s, %s, %s, %s, %s, %s::varchar[], %s::varchar[], %s, %s::jsonb, %s::bytea, %s, %s, %s
  FROM {sources}
"""


@dataclass(frozen=True, slots=True)
class IssuedAccessToken:
    """The only moment at which the token itself is known; `expires_in` is in seconds."""

    token: str
    expires_in: int
    expires_at: datetime


def issue_access_token(
    *,
    client: Client,
    scopes: Sequence[str],
    resources: Sequence[str],
    grant: Grant | None = None,
    user: User | None = None,
    ttl_seconds: int | None = None,
    dpop_jkt: str = "",
    derivation: Derivation | None = None,
) -> IssuedAccessToken:
    """Return a new token for `resources` (RFC 8707 identifiers); stores its digest only.

    One statement, the audit event included. The caller has checked that the client may have the
    scopes at the resources. `dpop_jkt` binds the token to a key (RFC 9449 §6.1); `derivation` is
    where an exchanged token came from (RFC 8693).
    """
    expires_in = conf.ACCESS_TOKEN_TTL_SECONDS if ttl_seconds is None else ttl_seconds
    token = bearer.mint(bearer.Prefix.ACCESS_TOKEN)
    digest = bearer.digest(token)
    now = timezone.now()
    expires_at = now + timedelta(seconds=expires_in)
    subject = str(user.subject) if user else str(client.client_id)
    derived = derivation or Derivation(b"", subject)
    audit = record_audit_event.build_parameters(
        event=Event.TOKEN_ISSUED,
        client_id=client.client_id,
        subject=derived.subject if user or derivation else "",
        detail={"token": digest[:8].hex(), "scopes": scopes, "resources": resources},
    )
    row = (
        digest,
        uuid7(),
        client.pk,
        grant.pk if grant else None,
        user.pk if user else None,
        list(scopes),
        list(resources),
        dpop_jkt,
        None if derived.actor is None else json.dumps(derived.actor),
        derived.parent_digest or None,
        "" if derived.subject == subject else derived.subject,
        now,
        expires_at,
    )
    held: tuple[str, tuple[Any, ...]] = (
        (lock_client_tokens.SHARED, lock_client_tokens.list_keys(client))
        if grant is None
        else (_OF_GRANT, (grant.pk,))
    )
    statement = _compose(held[0], is_alone=not connection.in_atomic_block)
    if prepared.execute(statement, (*audit, *held[1], *row)) != 1:
        raise Grant.DoesNotExist
    return IssuedAccessToken(token=token, expires_in=expires_in, expires_at=expires_at)


@cache
def _compose(held: str, *, is_alone: bool) -> str:
    """Return the statement; where it is a transaction by itself it says how to commit."""
    return _INSERT.format(
        audit=record_audit_event.INSERT_SQL,
        held=held,
        mode=_UNFLUSHED if is_alone else "",
        sources="held, mode" if is_alone else "held",
    )
