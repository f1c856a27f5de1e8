"""Which keys sign, and which are published."""

from datetime import timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from ims import conf
from ims.models import SigningKey


def find_active_signing_key(algorithm: str = conf.SIGNING_ALGORITHM) -> SigningKey | None:
    """Return the key that signs now: the one most lately activated and not retired."""
    return (
        SigningKey.objects.filter(
            algorithm=algorithm, activates_at__lte=timezone.now(), retired_at=None
        )
        .order_by("-activates_at", "-created_at")
        .first()
    )


def list_published_signing_keys() -> list[SigningKey]:
    """Return the keys of the JWKS document: ahead of their use, and past it while JWTs live."""
    return list(_published().order_by("activates_at", "kid"))


def list_algorithms_in_use() -> list[str]:
    """Return the algorithms that have a key which signs, or will."""
    standing = SigningKey.objects.filter(retired_at=None).order_by("algorithm")
    return list(standing.values_list("algorithm", flat=True).distinct())


def find_known_key(kid: str) -> SigningKey | None:
    """Return the key that `kid` names, however old; None where it is unknown or compromised.

    Only for what may be believed past its end, as an `id_token_hint` is.
    """
    return SigningKey.objects.filter(kid=kid, compromised_at=None).first()


def _published() -> QuerySet[SigningKey]:
    horizon = timezone.now() - timedelta(seconds=conf.RETIRED_KEY_PUBLISHED_SECONDS)
    return SigningKey.objects.filter(
        Q(retired_at=None) | Q(retired_at__gt=horizon), compromised_at=None
    )
