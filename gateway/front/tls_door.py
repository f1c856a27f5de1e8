"""A connection of a client before TLS stands, and what TLS then writes to.

The event loop's own TLS does the work. It writes to an `Outlet` instead of the socket's transport:
what leaves is in our hands, and in our sight.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, Final, cast

import uvloop.loop

from gateway.front.limits import NEVER
from gateway.front.outlet import Outlet
from gateway.front.shared import Front, peer_of

_Base: Final[Any] = vars(uvloop.loop)["SSLProtocol"]  # what `create_server(ssl=…)` uses, too


class _TLS(_Base):  # type: ignore[misc]
    """TLS that lets what waits leave when the client has closed its side."""

    outlet: Outlet

    def eof_received(self) -> bool:
        super().eof_received()
        return self.outlet.is_waiting


class TLSDoor(asyncio.Protocol):
    """Counts among the connections of its address until TLS stands."""

    __slots__ = (
        "_context",
        "_front",
        "_make_next",
        "_outlet",
        "deadline",
        "peer",
        "write_deadline",
    )

    def __init__(
        self, front: Front, context: ssl.SSLContext, make_next: Callable[[], asyncio.Protocol]
    ) -> None:
        self._front = front
        self._context = context
        self._make_next = make_next
        self._outlet: Outlet | None = None
        self.peer = ""
        self.deadline = self.write_deadline = NEVER  # TLS has a time limit of its own

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        front, limits = self._front, self._front.limits
        below = cast("asyncio.Transport", transport)
        self.peer = peer_of(transport)
        if not front.admits(self.peer):
            below.abort()
            return
        self._outlet = Outlet(front.plane, front.loop, below)
        shaken: asyncio.Future[None] = front.loop.create_future()
        shaken.add_done_callback(self._leave)
        front.connections.add(self)
        tls = _TLS(
            front.loop,
            self._make_next(),
            self._context,
            shaken,
            server_side=True,
            ssl_handshake_timeout=limits.handshake_seconds,
            ssl_shutdown_timeout=limits.linger_seconds,
        )
        tls.outlet = self._outlet
        below.set_protocol(tls)
        tls.connection_made(self._outlet)

    def expire(self) -> None:
        """Never asked for."""

    def say_goodbye(self) -> None:
        """Wait for what it will be."""

    def wind_down(self) -> None:
        """Close: nothing is under way."""
        self.abort()

    def abort(self) -> None:
        """Drop the connection."""
        if self._outlet is not None:
            self._outlet.abort()

    def _leave(self, shaken: "asyncio.Future[None]") -> None:
        """Make room: TLS stands, or never will."""
        shaken.exception()  # a failure is the event loop's to log
        self._front.connections.discard(self)
