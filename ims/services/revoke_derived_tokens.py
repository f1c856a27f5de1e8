"""Revocation of what was exchanged for a revoked token (RFC 8693)."""

from collections.abc import Iterable

from django.db import connection, transaction
from django.utils import timezone

from ims.models import AccessToken


def revoke_derived_tokens(*, parents: Iterable[AccessToken]) -> list[AccessToken]:
    """End the tokens that came from `parents`, and what came from those; return them.

    Must run in the transaction that revokes the parents, after their rows were locked: an exchange
    holds its parent's row until the new token is committed. The caller puts them on the feed. Runs
    a statement for each generation, and two for one that lives.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("Revocation needs a transaction.")
    now = timezone.now()
    ended: list[AccessToken] = []
    generation = [token.digest for token in parents]
    while generation:
        live = AccessToken.objects.filter(
            parent_digest__in=generation, revoked_at=None, expires_at__gt=now
        )
        children = list(live.select_for_update().only("digest", "expires_at"))
        generation = [child.digest for child in children]
        if children:
            AccessToken.objects.filter(digest__in=generation).update(revoked_at=now)
        ended += children
    return ended
