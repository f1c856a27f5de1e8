"""Puts revoked access tokens on the feed that gateways long-poll."""

from collections.abc import Iterable
from typing import Final

from django.db import connection, transaction

from ims.models import AccessToken, RevocationEvent

# Any constant will do, as long as nothing else in this database takes it ("TOLL" in ASCII).
_FEED_LOCK: Final = 0x544F4C4C
CHANNEL: Final = "tollgate_revocation"
_BATCH: Final = 1000


def write_revocation_events(*, access_tokens: Iterable[AccessToken]) -> None:
    """Append an event for each of `access_tokens` and wake the long polls on commit.

    Must run inside the transaction that revokes. The advisory lock is held to its end, so ids
    become visible in their order and a reader that remembers the newest id misses none.
    """
    publish_events(
        RevocationEvent(token_digest=token.digest, expires_at=token.expires_at)
        for token in access_tokens
    )


def publish_events(events: Iterable[RevocationEvent]) -> None:
    """Append `events` in their order; see `write_revocation_events`."""
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("Revocation events need a transaction.")
    rows = list(events)
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_FEED_LOCK])
        RevocationEvent.objects.bulk_create(rows, batch_size=_BATCH)
        # The payload is for people who listen with psql; readers look at the table.
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, str(len(rows))])
