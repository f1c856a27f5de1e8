"""Which keys sign, and which are published."""

from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from ims import conf
from ims.models import SigningKey


def find_active_signing_key() -> SigningKey | None:
    """Return the key that signs now: the one most lately activated and not retired."""
    return (
        SigningKey.objects.filter(activates_at__lte=timezone.now(), retired_at=None)
        .order_by("-activates_at", "-created_at")
        .first()
    )


def list_published_signing_keys() -> list[SigningKey]:
    """Return the keys of the JWKS document: ahead of their use, and past it while JWTs live."""
    horizon = timezone.now() - timedelta(seconds=conf.RETIRED_KEY_PUBLISHED_SECONDS)
    return list(
        SigningKey.objects.filter(Q(retired_at=None) | Q(retired_at__gt=horizon)).order_by(
            "activates_at", "kid"
        )
    )
