"""The connections to one upstream: reused last in first out, bounded, each with its deadlines."""

import asyncio
import ssl
import time
from collections import deque
from typing import ClassVar, Final, cast

from gateway.upstream import errors
from gateway.upstream.address_book import AddressBook
from gateway.upstream.http1 import Connection

# Long enough to serve bursts, short enough not to meet many upstreams' own 60 s and 75 s limits.
_IDLE_CONNECTION_SECONDS: Final = 50.0
# One coarse timer per pool watches every deadline, so no request pays for a timer of its own.
_TICKS_PER_TIMEOUT: Final = 10
_SHORTEST_TICK_SECONDS: Final = 0.01
_LONGEST_TICK_SECONDS: Final = 1.0
_MOST_TRIES: Final = 4  # of the addresses that a name has


class ConnectionPool:
    """At most `max_connections` connections to one address; waiters are served in order.

    A time limit is kept to within a tenth of itself, 1 s at most.
    """

    kind: ClassVar[type[Connection]] = Connection

    def __init__(
        self,
        book: AddressBook,
        host: str,
        port: int,
        context: ssl.SSLContext | None,
        *,
        connect_timeout_seconds: float,
        first_byte_timeout_seconds: float,
        idle_timeout_seconds: float,
        max_connections: int,
    ) -> None:
        self._book = book
        book.on_answer = self._drop_vanished
        self._host = host
        self._port = port
        self._context = context
        self._connect_timeout_seconds = connect_timeout_seconds
        self.first_byte_timeout_seconds = first_byte_timeout_seconds
        self.idle_timeout_seconds = idle_timeout_seconds
        shortest = min(first_byte_timeout_seconds, idle_timeout_seconds) / _TICKS_PER_TIMEOUT
        self._tick_seconds = min(max(shortest, _SHORTEST_TICK_SECONDS), _LONGEST_TICK_SECONDS)
        self._max_connections = max_connections
        self._slots_taken = 0  # open connections and those being opened
        self._connections: set[Connection] = set()
        self.idle: list[Connection] = []
        # None is handed over when a slot became free, to be filled by the waiter itself.
        self._waiters: deque[asyncio.Future[Connection | None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._time = time.monotonic  # until there is a loop, whose time is cheaper
        self._all_gone: asyncio.Future[None] | None = None
        # Whether connections that are given back may be wanted no more.
        self._must_look = False

    async def acquire(self) -> Connection:
        """Return an open connection. Raises ConnectFailed, ConnectTimedOut or PoolTimedOut."""
        while True:
            if self.idle:
                return self.idle.pop()
            if self._slots_taken < self._max_connections:
                self._slots_taken += 1
                return await self._connect()
            connection = await self._wait_turn()
            if connection is None:
                return await self._connect()
            if not connection.is_lost:  # it may have closed since it was handed over
                return connection

    async def acquire_fresh(self) -> Connection:
        """Return a new connection, or the next free one when all are taken and busy."""
        if self._slots_taken >= self._max_connections and self.idle:
            self.idle[0].close()  # the longest unused
        if self._slots_taken < self._max_connections:
            self._slots_taken += 1
            return await self._connect()
        return await self.acquire()

    async def close(self) -> None:
        """Close idle connections, then wait for the busy ones; when cancelled, drop those."""
        self._all_gone = asyncio.get_running_loop().create_future()
        self._must_look = True
        self._book.close()
        for connection in self.idle[:]:
            connection.close()
        try:
            if self._slots_taken:
                await self._all_gone
        except asyncio.CancelledError:
            for connection in list(self._connections):
                connection.abort()
            raise

    # Called by connections (`http1.Pool`).

    def release(self, connection: Connection) -> None:
        """Take back a connection whose exchange is over; another may follow."""
        connection.is_reused = True
        if self._must_look and (
            self._all_gone is not None or self._book.has_vanished(connection.address)
        ):
            connection.close()
            return
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        connection.read_deadline = self._time() + _IDLE_CONNECTION_SECONDS
        self.idle.append(connection)

    def forget(self, connection: Connection) -> None:
        """Give up a connection that is gone, or about to be; may be called again."""
        if connection in self._connections:
            self._connections.remove(connection)
            if connection in self.idle:
                self.idle.remove(connection)
            self._free_slot()

    # Inside.

    async def _connect(self) -> Connection:
        """Open a connection in the slot that the caller has taken."""
        loop = asyncio.get_running_loop()
        self._time = loop.time
        opened: Connection | None = None
        try:
            async with asyncio.timeout(self._connect_timeout_seconds):
                opened = await self._open(loop, await self._book.look_up())
                return opened
        except TimeoutError as error:
            seconds = self._connect_timeout_seconds
            where = f"{self._host}:{self._port}"
            raise errors.ConnectTimedOut(f"No connection to {where} in {seconds} s.") from error
        finally:
            if opened is None:
                self._free_slot()

    async def _open(self, loop: asyncio.AbstractEventLoop, addresses: list[str]) -> Connection:
        """Return a connection to the first address that takes one; all share the time limit."""
        tries = addresses[:_MOST_TRIES]
        patience = self._connect_timeout_seconds / len(tries)
        for address in tries[:-1]:
            try:
                async with asyncio.timeout(patience):
                    return await self._open_at(loop, address)
            except (TimeoutError, errors.ConnectFailed):
                continue
        return await self._open_at(loop, tries[-1])

    async def _open_at(self, loop: asyncio.AbstractEventLoop, address: str) -> Connection:
        connection = self.kind(self, loop, address)
        where = f"{self._host}:{self._port}"
        is_open = False
        try:
            await loop.create_connection(
                lambda: cast("asyncio.Protocol", connection),
                address,
                self._port,
                ssl=self._context,
                server_hostname=self._host if self._context is not None else None,
            )
            is_open = not connection.is_lost
        except (OSError, UnicodeError) as error:
            raise errors.ConnectFailed(f"No connection to {where}: {error}") from error
        finally:
            if not is_open:
                connection.abort()  # also one that opens after all
        if not is_open:
            raise errors.ConnectFailed(f"{where} closed the connection at once.")
        # Only from here on it holds the slot, and gives it back when it is gone.
        self._connections.add(connection)
        if self._timer is None:
            self._arm()
        return connection

    def _drop_vanished(self) -> None:
        """Close idle connections to addresses that the name has no more; busy ones follow."""
        for connection in self.idle[:]:
            if self._book.has_vanished(connection.address):
                connection.close()
        if self._all_gone is None:
            self._must_look = any(
                self._book.has_vanished(connection.address) for connection in self._connections
            )

    async def _wait_turn(self) -> Connection | None:
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Connection | None] = loop.create_future()
        self._waiters.append(waiter)
        timer = loop.call_later(self._connect_timeout_seconds, self._refuse, waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            elif not waiter.cancelled() and waiter.exception() is None:
                self._pass_on(waiter.result())
            raise
        finally:
            timer.cancel()

    def _refuse(self, waiter: "asyncio.Future[Connection | None]") -> None:
        if not waiter.done():
            self._waiters.remove(waiter)
            seconds = self._connect_timeout_seconds
            waiter.set_exception(
                errors.PoolTimedOut(
                    f"All {self._max_connections} connections were busy for {seconds} s."
                )
            )

    def _pass_on(self, connection: Connection | None) -> None:
        """Give away what was handed to a waiter that was cancelled meanwhile."""
        if connection is None:
            self._free_slot()
        elif not connection.is_lost:
            self.release(connection)

    def _free_slot(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)  # the slot stays taken, by the waiter
                return
        self._slots_taken -= 1
        if self._slots_taken == 0 and self._all_gone is not None and not self._all_gone.done():
            self._all_gone.set_result(None)

    def _arm(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._tick_seconds, self._sweep, loop)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        late = [c for c in self._connections if c.read_deadline <= now or c.write_deadline <= now]
        for connection in late:
            connection.expire()
        self._timer = None
        if self._connections:
            self._book.touch()
            self._arm()
