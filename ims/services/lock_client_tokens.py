"""Keeps the tokens that a client gets for itself apart from their revocation."""

from typing import Final

from django.db import connection

from ims.models import Client

# In the space of two 32-bit numbers nothing else of this database takes the first ("cltk").
CLASS: Final = 0x636C_746B
# The key within it: as much of the client's id as fits.
KEYS: Final = 0x7FFF_FFFF
# Issuing holds this to the end of its transaction; it is taken in memory, so that the row of a busy
# client is not written by each of its tokens.
SHARED: Final = "SELECT pg_advisory_xact_lock_shared(%s, %s)"


def lock_client_tokens(*, client: Client) -> None:
    """Wait for the tokens that `client` is getting; keep others out until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", list_keys(client))


def list_keys(client: Client) -> tuple[int, int]:
    """Return the parameters of SHARED. Two clients that share a key wait for one another."""
    return CLASS, int(client.pk) & KEYS
