"""See that an installation can sign (used by the bootstrap)."""

from typing import Final

from django.db import connection, transaction

from ims.models import SigningKey
from ims.queries import signing_keys
from ims.services.create_signing_key import create_signing_key

# Any number that no other advisory lock of this database uses.
_LOCK: Final = 0x746F_6C6C_6B65_79


@transaction.atomic
def ensure_signing_key() -> SigningKey:
    """Return the active signing key, made now if there is none; safe to run side by side."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    return signing_keys.find_active_signing_key() or create_signing_key()
