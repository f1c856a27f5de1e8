"""Keeps the revocation feed short."""

from django.db.models import Max
from django.utils import timezone

from ims.models import RevocationEvent


def delete_expired_revocations() -> int:
    """Drop events whose token is dead by itself; return how many.

    The newest event stays: its id is how the feed knows where it stands.
    """
    newest = RevocationEvent.objects.aggregate(newest=Max("id"))["newest"]
    expired = RevocationEvent.objects.filter(expires_at__lt=timezone.now()).exclude(id=newest)
    deleted, _ = expired.delete()
    return deleted
