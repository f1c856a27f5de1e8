"""RFC 9110 §7.8: an exchange after which the connection speaks another protocol."""

import asyncio
from typing import ClassVar, Final, Protocol, cast

import httptools

from gateway.upstream import errors
from gateway.upstream.http1 import NEVER, Connection, Pool
from gateway.upstream.pool import ConnectionPool
from gateway.upstream.response import UpstreamResponse

SWITCHING_PROTOCOLS: Final = 101


class Successor(Protocol):
    """The protocol that goes on with a connection."""

    def take_over(self, transport: asyncio.Transport, early: bytes) -> None:
        """Go on with a connection on which `early` has come already."""


class Handshake(Connection):
    """A connection whose one exchange may end in 101; it is then anybody's to take over."""

    __slots__ = ("_early", "has_switched")

    def __init__(self, pool: Pool, loop: asyncio.AbstractEventLoop, address: str) -> None:
        super().__init__(pool, loop, address)
        self._early = b""
        self.has_switched = False

    def hand_over(self, side: Successor) -> None:
        """Make `side` the protocol of the connection; it gets what has come already.

        `abort` then gives back the connection's place. Raises ConnectionLost.
        """
        transport = self._transport
        if transport is None:
            raise errors.ConnectionLost("The upstream closed the connection after its 101.")
        early, self._early = self._early, b""
        self._transport = None
        # Breaks the cycle between parser and protocol.
        self._parser = cast("httptools.HttpResponseParser", None)
        side.take_over(transport, early)

    def data_received(self, data: bytes) -> None:
        if self.has_switched:  # and nobody has taken it over yet
            self._early += data
        else:
            super().data_received(data)

    def on_headers_complete(self) -> None:
        if not self._status and self._parser.get_status_code() == SWITCHING_PROTOCOLS:
            self._status = SWITCHING_PROTOCOLS
            self._final_headers = self._headers.copy()
            self._headers.clear()
        else:
            super().on_headers_complete()

    def _stop_parsing(self, error: Exception, data: bytes) -> None:
        if isinstance(error, httptools.HttpParserUpgrade) and self._status == SWITCHING_PROTOCOLS:
            self.has_switched = True
            self._early = data[error.args[0] :]
        else:
            super()._stop_parsing(error, data)

    def _deliver(self, waiter: "asyncio.Future[UpstreamResponse]") -> None:
        if self._status != SWITCHING_PROTOCOLS:
            super()._deliver(waiter)
        elif waiter.done():  # cancelled; its task has not run since
            self.abort()
        elif not self.has_switched:
            self.fail(errors.ProtocolViolation("Status 101 comes without Upgrade."))
        else:
            self._waiter = None
            self.read_deadline = NEVER
            self.pause_reading()
            waiter.set_result(UpstreamResponse(self._status, self._final_headers, b"", None))


class HandshakePool(ConnectionPool):
    """The WebSockets of one upstream: each has a connection of its own, for ever."""

    kind: ClassVar[type[Connection]] = Handshake

    def release(self, connection: Connection) -> None:
        """Close it: a connection that did not become a WebSocket is of no more use."""
        connection.close()
