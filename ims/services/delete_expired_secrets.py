"""Remove client secrets that are dead by their age."""

from django.utils import timezone

from ims.models import ClientSecret


def delete_expired_secrets() -> int:
    """Return how many were deleted; they had been refused since their end."""
    deleted, _ = ClientSecret.objects.filter(expires_at__lt=timezone.now()).delete()
    return deleted
