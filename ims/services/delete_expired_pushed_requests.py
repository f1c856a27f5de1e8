"""Remove pushed authorization requests whose time is over."""

from django.utils import timezone

from ims.models import PushedAuthorizationRequest


def delete_expired_pushed_requests() -> int:
    """Return how many were deleted; the browsers that came in time have their parameters."""
    deleted, _ = PushedAuthorizationRequest.objects.filter(expires_at__lt=timezone.now()).delete()
    return deleted
