"""See that an installation can sign with an algorithm."""

from django.db import transaction

from ims import conf
from ims.models import SigningKey
from ims.queries import signing_keys
from ims.services.create_signing_key import create_signing_key
from ims.services.lock_signing_keys import lock_signing_keys


@transaction.atomic
def ensure_signing_key(*, algorithm: str = conf.SIGNING_ALGORITHM) -> SigningKey:
    """Return the active signing key, made now if there is none; safe to run side by side."""
    lock_signing_keys()
    return signing_keys.find_active_signing_key(algorithm) or create_signing_key(
        algorithm=algorithm
    )
