"""A connection of a client before TLS stands, and what TLS then writes to.

The event loop's own TLS does the work. It writes to an `Outlet` instead of the socket's transport:
what leaves is in our hands, and in our sight.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, Final

import uvloop.loop

from gateway.front.arrival import Arrival
from gateway.front.outlet import Outlet
from gateway.front.shared import Front

_Base: Final[Any] = vars(uvloop.loop)["SSLProtocol"]  # what `create_server(ssl=…)` uses, too


class _TLS(_Base):  # type: ignore[misc]
    """TLS that lets what waits leave when the client has closed its side."""

    outlet: Outlet

    def eof_received(self) -> bool:
        super().eof_received()
        return self.outlet.is_waiting()


class TLSDoor(Arrival):
    """Lasts until TLS stands, which has a time limit of its own."""

    __slots__ = ("_context", "_make_next")

    def __init__(
        self, front: Front, context: ssl.SSLContext, make_next: Callable[[], asyncio.Protocol]
    ) -> None:
        super().__init__(front)
        self._context = context
        self._make_next = make_next

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        front, limits = self._front, self._front.limits
        outlet = self.enter(transport)
        if outlet is None:
            return
        shaken: asyncio.Future[None] = front.loop.create_future()
        shaken.add_done_callback(self._leave)
        tls = _TLS(
            front.loop,
            self._make_next(),
            self._context,
            shaken,
            server_side=True,
            ssl_handshake_timeout=limits.handshake_seconds,
            ssl_shutdown_timeout=limits.linger_seconds,
        )
        tls.outlet = outlet
        outlet.set_protocol(tls)
        tls.connection_made(outlet)

    def _leave(self, shaken: "asyncio.Future[None]") -> None:
        """Make room: TLS stands, or never will."""
        shaken.exception()  # a failure is the event loop's to log
        self._front.connections.discard(self)
