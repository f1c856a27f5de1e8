"""Revocation of an authorization with everything made from it (RFC 7009 §2.1)."""

from django.db import transaction
from django.utils import timezone

from ims.audit.events import Event
from ims.models import AccessToken, Grant
from ims.services.record_audit_event import record_audit_event
from ims.services.write_revocation_events import write_revocation_events


@transaction.atomic
def revoke_grant(*, grant: Grant) -> None:
    """End `grant`: its code and refresh tokens work no more, its access tokens go to the feed.

    The row lock conflicts with the foreign key lock that an insert of a token takes: a token that
    is being issued is either seen and revoked here, or sees the grant revoked.
    """
    now = timezone.now()
    grants = Grant.objects.select_for_update(of=("self",)).select_related("client", "user")
    locked = grants.get(pk=grant.pk)
    is_first = locked.revoked_at is None
    if is_first:
        locked.revoked_at = now
        locked.save(update_fields=["revoked_at"])
    grant.revoked_at = locked.revoked_at
    live = AccessToken.objects.filter(grant=locked, revoked_at=None, expires_at__gt=now)
    tokens = list(live.select_for_update().only("digest", "expires_at"))
    live.update(revoked_at=now)
    write_revocation_events(access_tokens=tokens)
    if is_first:
        record_audit_event(
            event=Event.GRANT_REVOKED,
            client_id=locked.client.client_id,
            subject=str(locked.user.subject),
            detail={"grant": str(locked.pk), "access_tokens": len(tokens)},
        )
