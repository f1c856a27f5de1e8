"""Remove requests of devices that are dead by their age."""

from datetime import timedelta

from django.utils import timezone

from ims import conf
from ims.models import DeviceAuthorization


def delete_expired_device_authorizations() -> int:
    """Return how many were deleted; safe to run side by side.

    A code stays for a day past its end, so that its replay is recognised and revokes the grant.
    """
    horizon = timezone.now() - timedelta(seconds=conf.USED_CODE_MEMORY_SECONDS)
    deleted, _ = DeviceAuthorization.objects.filter(expires_at__lt=horizon).delete()
    return deleted
