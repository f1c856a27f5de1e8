"""The few statements that nearly every request runs, prepared once for each connection.

The ORM builds such a statement anew each time, which costs several times what running it does, and
Django's cursor writes the values into its text, so that PostgreSQL plans it anew as well.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from weakref import WeakSet

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import Connection, Cursor
from psycopg.pq import Format

Values = Sequence[Any] | Mapping[str, Any]
_tuned: Final[WeakSet[Connection[Any]]] = WeakSet()


def fetch_all(statement: str, values: Values) -> list[tuple[Any, ...]]:
    """Return the rows of `statement`, in the types of psycopg; placeholders as psycopg has them.

    Runs in the transaction that is open, or by itself. Raises Django's DatabaseError.
    """
    return _execute(statement, values).fetchall()


def fetch_one(statement: str, values: Values) -> tuple[Any, ...] | None:
    """Return the first row, or None; see `fetch_all`."""
    return _execute(statement, values).fetchone()


def execute(statement: str, values: Values) -> int:
    """Return how many rows `statement` changed; see `fetch_all`."""
    return _execute(statement, values).rowcount


def _execute(statement: str, values: Values) -> Cursor[tuple[Any, ...]]:
    database = connections["default"]
    database.ensure_connection()
    if database.queries_logged:
        _log(database, statement)
    with database.wrap_database_errors:
        connection: Connection[tuple[Any, ...]] = database.connection
        if connection not in _tuned:
            _tune(connection)
        # Binary: psycopg reads it in C, and Django's own readers of text stay out.
        cursor = Cursor(connection)
        cursor.format = Format.BINARY
        return cursor.execute(statement, values, prepare=True)


def _tune(connection: Connection[Any]) -> None:
    connection.prepare_threshold = 0  # Django switches it off; its own cursors cannot prepare
    # A lookup in partitions looks cheaper when planned for its very values; planning it takes
    # longer than running it.
    connection.execute("SET plan_cache_mode TO force_generic_plan")
    _tuned.add(connection)


def _log(database: BaseDatabaseWrapper, statement: str) -> None:
    """Count the statement where statements are counted, as Django's own cursor does."""
    database.queries_log.append({"sql": statement, "time": "0"})
