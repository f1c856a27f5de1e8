"""Revocation of an authorization with everything made from it (RFC 7009 §2.1)."""

from django.db import transaction
from django.utils import timezone

from ims.models import AccessToken, Grant
from ims.services.write_revocation_events import write_revocation_events


@transaction.atomic
def revoke_grant(*, grant: Grant) -> None:
    """End `grant`: its code and refresh tokens work no more, its access tokens go to the feed.

    The row lock conflicts with the foreign key lock that an insert of a token takes: a token that
    is being issued is either seen and revoked here, or sees the grant revoked.
    """
    now = timezone.now()
    locked = Grant.objects.select_for_update().get(pk=grant.pk)
    if locked.revoked_at is None:
        locked.revoked_at = now
        locked.save(update_fields=["revoked_at"])
    grant.revoked_at = locked.revoked_at
    live = AccessToken.objects.filter(grant=locked, revoked_at=None, expires_at__gt=now)
    tokens = list(live.select_for_update().only("digest", "expires_at"))
    live.update(revoked_at=now)
    write_revocation_events(access_tokens=tokens)
