"""The revocation feed, read by gateways (`wire.revocation_feed`)."""

from typing import Final

from django.db.models import Max, Min

from ims.models import ProtectedResource, RevocationEvent
from wire.revocation_feed import RevocationPage

PAGE_SIZE: Final = 1000


def get_revocations(*, after: int | None) -> RevocationPage:
    """Return the page of the feed behind the cursor `after`; runs two statements.

    Without `after`: where the feed stands; 0 while it is empty. A cursor that cannot be continued
    (events behind it are gone, or it is from another database) gets `reset` and where the feed
    stands now. 0 can always be continued: what was dropped since is of tokens long expired. So
    does a page with a flush on it, and goes on behind it.
    """
    bounds = RevocationEvent.objects.aggregate(oldest=Min("id"), newest=Max("id"))
    oldest, newest = bounds["oldest"] or 0, bounds["newest"] or 0
    if after is None:
        return RevocationPage(cursor=newest)
    if after > newest or 0 < after < oldest - 1:
        return RevocationPage(cursor=newest, reset=True)
    # Read after the bounds: what commits in between is on the page, and in its cursor.
    rows = list(
        RevocationEvent.objects.filter(id__gt=after)
        .order_by("id")
        .values_list("id", "token_digest", "is_flush")[:PAGE_SIZE]
    )
    return RevocationPage(
        cursor=rows[-1][0] if rows else after,
        digests=tuple(bytes(digest) for _, digest, is_flush in rows if not is_flush),
        reset=any(is_flush for _, _, is_flush in rows),
    )


def may_read_revocations(*, client_id: int) -> bool:
    """Whether the client (by its primary key) introspects at least one protected resource."""
    return ProtectedResource.objects.filter(introspection_clients=client_id).exists()
