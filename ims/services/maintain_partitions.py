"""Partitions of the token tables: made ahead of time, dropped when everything in them is dead."""

import logging
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.db import OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone
from psycopg import errors, sql

from ims.partitions import TABLES, Partition, PartitionedTable

logger = logging.getLogger(__name__)

# Any number that no other advisory lock of this database uses ("part" in ASCII).
_LOCK: Final = 0x7061_7274
# Who waits for a table makes everybody behind wait too; the next run comes in minutes.
_LOCK_TIMEOUT: Final = "1s"


@dataclass(slots=True)
class PartitionChanges:
    """What a run did; `crowded` names the tables whose default partition holds live rows."""

    created: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    crowded: list[str] = field(default_factory=list)


def maintain_partitions(*, now: datetime | None = None) -> PartitionChanges:
    """See that every token table has its partitions, and drop the dead ones.

    Idempotent; two runs at once share the work. Rows that had no partition move into theirs. A
    table that is in use by a long transaction is left to the next run.
    """
    changes = PartitionChanges()
    for table in TABLES:
        try:
            _maintain(table, now or timezone.now(), changes)
        except OperationalError as error:
            if not isinstance(error.__cause__, errors.LockNotAvailable):
                raise
            logger.warning("%s is busy; its partitions are left to the next run.", table.name)
    for name in changes.crowded:
        logger.error("%s: live rows are in the default partition.", name)
    return changes


def _maintain(table: PartitionedTable, now: datetime, changes: PartitionChanges) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [_LOCK_TIMEOUT])
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        present = _list_partitions(cursor, table)
        for partition in table.list_wanted(now):
            if partition.name not in present:
                _create(cursor, partition)
                changes.created.append(partition.name)
        for name in present:
            known = table.find_partition(name)
            if known is not None and known.is_dead(now):
                _drop(cursor, name)
                changes.dropped.append(name)
        if not _empty_default(cursor, table, now):
            changes.crowded.append(table.name)


def _list_partitions(cursor: CursorWrapper, table: PartitionedTable) -> list[str]:
    cursor.execute(
        "SELECT child.relname FROM pg_inherits AS link JOIN pg_class AS child"
        " ON child.oid = link.inhrelid WHERE link.inhparent = %s::regclass ORDER BY 1",
        [table.name],
    )
    return [name for (name,) in cursor.fetchall()]


def _create(cursor: CursorWrapper, partition: Partition) -> None:
    """Make the partition with what the default one holds of it: attaching it refuses doubles."""

    def run(statement: str) -> None:
        names = {
            "name": partition.name,
            "parent": partition.table.name,
            "default": partition.table.default_partition,
        }
        bounds = {"start": sql.Literal(partition.start), "end": sql.Literal(partition.end)}
        identifiers = {key: sql.Identifier(name) for key, name in names.items()}
        cursor.execute(sql.SQL(statement).format(**identifiers, **bounds))

    # The parent first, as every reader does.
    run("LOCK TABLE ONLY {parent} IN SHARE UPDATE EXCLUSIVE MODE")
    run("LOCK TABLE {default} IN ACCESS EXCLUSIVE MODE")
    run("CREATE TABLE {name} (LIKE {parent} INCLUDING ALL)")
    run(
        "WITH moved AS (DELETE FROM {default} WHERE expires_at >= {start} AND expires_at < {end}"
        " RETURNING *) INSERT INTO {name} SELECT * FROM moved"
    )
    run("ALTER TABLE {parent} ATTACH PARTITION {name} FOR VALUES FROM ({start}) TO ({end})")


def _drop(cursor: CursorWrapper, name: str) -> None:
    cursor.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))


def _empty_default(cursor: CursorWrapper, table: PartitionedTable, now: datetime) -> bool:
    """Return whether the default partition holds no row that somebody may want."""
    default = sql.Identifier(table.default_partition)
    cursor.execute(sql.SQL("SELECT max(expires_at) FROM {}").format(default))
    if cursor.fetchone() == (None,):
        return True  # as it should be: nobody is held up
    # A row that comes in between looking and emptying would be lost.
    cursor.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(default))
    cursor.execute(sql.SQL("SELECT max(expires_at) FROM {}").format(default))
    [newest] = cursor.fetchone()
    if newest is None:
        return True
    if newest + table.kept > now:
        return False
    cursor.execute(sql.SQL("TRUNCATE {}").format(default))
    return True
