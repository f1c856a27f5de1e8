"""RFC 8628 §3.3: the requests that wait for a person's answer."""

from django.db.models import QuerySet
from django.utils import timezone

from ims import user_codes
from ims.models import DeviceAuthorization


def find_open_by_user_code(typed: str) -> DeviceAuthorization | None:
    """Return the request whose code the person typed, with its client, if it may be answered."""
    user_code = user_codes.read_user_code(typed)
    if not user_code:
        return None
    digests = user_codes.list_possible_digests(user_code)
    return _open().filter(user_code_digest__in=digests).first()


def find_open_by_digest(digest: bytes) -> DeviceAuthorization | None:
    """Return the request of the device code with this digest, with its client, if it is open."""
    return _open().filter(digest=digest).first()


def _open() -> QuerySet[DeviceAuthorization]:
    return DeviceAuthorization.objects.select_related("client").filter(
        grant=None,
        denied_at=None,
        used_at=None,
        expires_at__gt=timezone.now(),
        client__disabled_at=None,
    )
