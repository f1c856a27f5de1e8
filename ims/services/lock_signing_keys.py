"""One change of the signing keys at a time."""

from typing import Final

from django.db import connection

# Any number that no other advisory lock of this database uses.
_LOCK: Final = 0x746F_6C6C_6B65_79


def lock_signing_keys() -> None:
    """Wait until nobody else changes the keys; holds until the present transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
