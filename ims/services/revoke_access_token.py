"""Revocation of one access token (RFC 7009 §2.1)."""

from django.db import transaction
from django.utils import timezone

from ims.models import AccessToken
from ims.services.write_revocation_events import write_revocation_events


@transaction.atomic
def revoke_access_token(*, access_token: AccessToken) -> None:
    """End `access_token` and put it on the feed; doing it again changes nothing."""
    now = timezone.now()
    revoked = AccessToken.objects.filter(
        digest=access_token.digest, revoked_at=None, expires_at__gt=now
    ).update(revoked_at=now)
    if revoked:
        access_token.revoked_at = now
        write_revocation_events(access_tokens=[access_token])
