"""Revocation of one access token (RFC 7009 §2.1)."""

from django.db import transaction
from django.utils import timezone

from ims.models import AccessToken
from ims.services.revoke_derived_tokens import revoke_derived_tokens
from ims.services.write_revocation_events import write_revocation_events


@transaction.atomic
def revoke_access_token(*, access_token: AccessToken) -> None:
    """End `access_token` with what was exchanged for it, and put them on the feed.

    Doing it again changes nothing.
    """
    now = timezone.now()
    revoked = AccessToken.objects.filter(
        digest=access_token.digest, revoked_at=None, expires_at__gt=now
    ).update(revoked_at=now)
    if revoked:
        access_token.revoked_at = now
        derived = revoke_derived_tokens(parents=[access_token])
        write_revocation_events(access_tokens=[access_token, *derived])
