"""Keeps the revocation feed short."""

from datetime import timedelta
from typing import Final

from django.db.models import Max
from django.utils import timezone

from ims.models import RevocationEvent

# A gateway whose clock is slow still learns of a revocation after the token's end.
_KEPT_AFTER_EXPIRY: Final = timedelta(hours=1)


def delete_expired_revocations() -> int:
    """Drop events whose token has been dead by itself for an hour; return how many.

    The newest event stays: its id is how the feed knows where it stands.
    """
    newest = RevocationEvent.objects.aggregate(newest=Max("id"))["newest"]
    ended_before = timezone.now() - _KEPT_AFTER_EXPIRY
    expired = RevocationEvent.objects.filter(expires_at__lt=ended_before).exclude(id=newest)
    deleted, _ = expired.delete()
    return deleted
