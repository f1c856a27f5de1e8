"""Whether the token tables are where they should be; maintenance is `maintain_partitions`."""

from typing import Final

from django.db import connection

from ims.partitions import TABLES

_STATEMENT: Final = " UNION ALL ".join(
    f"SELECT '{table.name}' WHERE EXISTS (SELECT FROM {table.default_partition})"  # noqa: S608 - our own names
    for table in TABLES
)


def list_tables_without_partitions() -> list[str]:
    """Return the token tables of which rows had no partition to go to; runs one statement.

    They lie in the default partition until the task of the workers makes theirs.
    """
    with connection.cursor() as cursor:
        cursor.execute(_STATEMENT)
        return [name for (name,) in cursor.fetchall()]
