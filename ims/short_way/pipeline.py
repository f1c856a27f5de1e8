"""The few connections over which the event loop asks PostgreSQL, kept alive."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Any, Final

import psycopg
from django.db import connections
from psycopg.adapt import Transformer
from psycopg.pq.abc import PGresult

from ims.short_way.connection import PipelinedConnection, PipelineLost, Statement, Value

logger = logging.getLogger(__name__)

# One keeps one process of PostgreSQL busy.
_CONNECTIONS: Final = 2
# More than this has no use for a database that answers, and none for one that does not.
_MOST_WAITING: Final = 256
_FIRST_PAUSE_SECONDS: Final = 0.2
_LONGEST_PAUSE_SECONDS: Final = 10.0
# ADR-0012: nothing is written here but access tokens with their audit events. A plan that depends
# on the values would take longer to make than to run. Only the dropping of a partition is ever
# waited for, and that gives up after a second.
_SESSION: Final = """
SET TIME ZONE 'UTC'; SET synchronous_commit TO off; SET plan_cache_mode TO force_generic_plan;
SET statement_timeout TO '3s'
"""
_KEEPALIVE: Final = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
_NOT_FOR_LIBPQ: Final = ("context", "cursor_factory", "prepare_threshold")


def read_parameters() -> dict[str, Any]:
    """Return how to reach the default database, in the words of libpq."""
    parameters = connections["default"].get_connection_params()
    return {name: value for name, value in parameters.items() if name not in _NOT_FOR_LIBPQ}


class Pipeline:
    """Asks `statements` of the default database, from within one event loop.

    A lost connection is replaced, sooner at first and then every ten seconds. While there is none
    `ask` raises PipelineLost: whoever asks has another way.
    """

    def __init__(
        self,
        statements: Sequence[Statement],
        *,
        count: int = _CONNECTIONS,
        parameters: Callable[[], dict[str, Any]] = read_parameters,
    ) -> None:
        self._statements = statements
        self._parameters = parameters
        self._count = count
        self._live: list[PipelinedConnection] = []
        self._keepers: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Connect from now on. Idempotent; call inside of the loop."""
        if not self._keepers:
            self._keepers = [asyncio.create_task(self._keep()) for _ in range(self._count)]

    async def stop(self) -> None:
        """Close every connection."""
        keepers, self._keepers = self._keepers, []
        for keeper in keepers:
            keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeper

    def ask(self, statement: Statement, values: Sequence[Value]) -> "asyncio.Future[PGresult]":
        """Return the future of the result. Raises PipelineLost, and so may the future."""
        least = None
        for connection in self._live:
            if least is None or connection.waiting < least.waiting:
                least = connection
        if least is None or least.waiting >= _MOST_WAITING:
            self.start()
            raise PipelineLost("no connection is free")
        return least.ask(statement, values)

    async def _keep(self) -> None:
        """Hold one connection for as long as the pipeline lasts."""
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                connection = await self._connect()
            except (psycopg.Error, OSError) as error:
                logger.warning("pipeline: %s; trying again in %.1f s", error, pause)
            else:
                reason = await self._serve(connection)
                logger.warning("pipeline: connection lost: %s", reason)
                pause = _FIRST_PAUSE_SECONDS
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    async def _serve(self, connection: psycopg.AsyncConnection[Any]) -> Exception:
        """Return why the connection was lost."""
        lost: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        live = PipelinedConnection(connection, lost.set_result)
        self._live.append(live)
        try:
            return await lost
        finally:
            self._live.remove(live)
            live.close()

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        where = {"connect_timeout": 5} | _KEEPALIVE | self._parameters()
        connection = await psycopg.AsyncConnection.connect(**where, autocommit=True)
        try:
            await connection.execute(_SESSION)
            for statement in self._statements:
                await connection.execute(statement.preparation)  # our own text
        except BaseException:
            await connection.close()
            raise
        return connection


def read_row(result: PGresult) -> tuple[Any, ...] | None:
    """Return the first row in the types of psycopg, as `ims.prepared` does, or None."""
    if not result.ntuples:
        return None
    transformer = Transformer()
    transformer.set_pgresult(result)
    return transformer.load_row(0, tuple)
