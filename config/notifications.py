"""PostgreSQL's LISTEN as the signal that wakes long polls: one connection per web process."""

import asyncio
import contextlib
import logging
from collections.abc import Iterable
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

logger = logging.getLogger(__name__)

REVOCATION: Final = "tollgate_revocation"
CONFIGURATION: Final = "tollgate_configuration"

_FIRST_PAUSE_SECONDS: Final = 0.2
_LONGEST_PAUSE_SECONDS: Final = 10.0
# How often a silent connection is asked whether it is still there.
_KEEPALIVE: Final = {"keepalives_idle": "10", "keepalives_interval": "5", "keepalives_count": "3"}


class ChannelSignal:
    """A `wire.change_signal.ChangeSignal` for the waiters of one event loop."""

    def __init__(self) -> None:
        self._changes = 0
        self._next = asyncio.Event()

    def mark(self) -> int:
        return self._changes

    async def wait(self, since: int, timeout_seconds: float) -> None:
        if self._changes > since:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await self._next.wait()

    def note(self) -> None:
        """Wake every waiter. Each looks for itself whether the change concerns it."""
        self._changes += 1
        self._next.set()
        self._next = asyncio.Event()


class Notifications:
    """Listens while the process runs, and comes back by itself when the database went away.

    What was notified while it was away is lost, so every waiter wakes after a reconnection.
    """

    def __init__(self, database_url: str, channels: Iterable[str]) -> None:
        self._database_url = database_url
        self._signals = {channel: ChannelSignal() for channel in channels}
        self._task: asyncio.Task[None] | None = None

    def signal(self, channel: str) -> ChannelSignal:
        return self._signals[channel]

    def start(self) -> None:
        """Listen from now on. Idempotent; call inside the event loop that serves requests."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="notifications")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                async with await self._connect() as connection:
                    pause = _FIRST_PAUSE_SECONDS
                    for signal in self._signals.values():
                        signal.note()
                    async for notification in connection.notifies():
                        self._signals[notification.channel].note()
            except (psycopg.Error, OSError) as error:
                logger.warning("notifications: %s; trying again in %.1f s", error, pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        where = make_conninfo(self._database_url, connect_timeout=10, **_KEEPALIVE)
        connection = await psycopg.AsyncConnection.connect(where, autocommit=True)
        for channel in self._signals:
            await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        return connection
