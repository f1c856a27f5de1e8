"""When each client was last used, learned from the tokens that were issued to it."""

from typing import Final

from django.db import connection
from django.utils import timezone

from ims.models import AccessToken, Client

# Only live tokens are read, so that the partitions of the dead are not: the task must run more
# often than a token lives. A client in use is written once an hour, or each run would rewrite all.
_SQL: Final = f"""
    UPDATE {Client._meta.db_table} AS client
    SET last_used_at = used.at, unused_warned_at = NULL
    FROM (
        SELECT client_id, max(issued_at) AS at
        FROM {AccessToken._meta.db_table}
        WHERE expires_at > %(now)s
        GROUP BY client_id
    ) AS used
    WHERE used.client_id = client.id
      AND (client.last_used_at IS NULL OR client.last_used_at < used.at - interval '1 hour')
"""  # noqa: S608, SLF001 - the names of our own tables, by Django's documented attribute


def note_client_use() -> int:
    """Return how many clients were marked as used; one statement, none on the way of a token."""
    with connection.cursor() as cursor:
        cursor.execute(_SQL, {"now": timezone.now()})
        return int(cursor.rowcount)
