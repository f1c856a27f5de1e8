"""What the connections of one worker share: their limits, a clock, and who answers."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from email.utils import formatdate
from typing import Any, Final, Protocol

from gateway.counters import NO_SERIES
from gateway.dataplane.call import Inbound
from gateway.dataplane.errors import Headers, Refusal, render
from gateway.dataplane.plane import Plane
from gateway.front.departures import Departures
from gateway.front.limits import Limits
from gateway.front.outlet import Outlet

_TICK_SECONDS: Final = 0.5

_log = logging.getLogger(__name__)


class Connection(Protocol):
    """A client's connection, as the clock sees it."""

    deadline: float  # of the loop's clock
    write_deadline: float

    def expire(self) -> None:
        """Answer, close or abort, whatever fits: the deadline passed."""

    def say_goodbye(self) -> None:
        """Ask the client to open no more requests here; those that come are answered."""

    def wind_down(self) -> None:
        """Take no more requests; close when those under way are answered."""

    def abort(self) -> None:
        """Drop the connection."""


class Successor(Connection, Protocol):
    """The protocol that goes on with a connection after our 101."""

    on_lost: Callable[[], None] | None  # called when the connection is gone

    def take_over(self, transport: asyncio.Transport, early: bytes) -> None:
        """Go on with a connection on which `early` has come already."""

    def pause_writing(self) -> None:
        """Take note that the transport takes no more for now."""


def peer_of(transport: asyncio.BaseTransport) -> str:
    """Return the address of the other side; "" where there is none."""
    peer = transport.get_extra_info("peername")
    return peer[0] if isinstance(peer, tuple) else ""


class Front:
    """Connections register here; `run` keeps their time limits and the Date field."""

    def __init__(
        self,
        plane: Plane,
        serve: Callable[[Inbound], Coroutine[Any, Any, None]],
        *,
        scheme: str,
        limits: Limits | None = None,
    ) -> None:
        """`serve` answers one request and closes it; it runs in a task of its own."""
        self.plane = plane
        self.serve = serve
        self.scheme = scheme
        self.limits = limits or Limits()
        self.loop = asyncio.get_running_loop()
        self.departures = Departures(self.loop)
        self.connections: set[Connection] = set()
        self._crowd: dict[str, int] = {}  # connections by address, as of `_counted_at`
        self._counted_at = 0.0
        self.is_winding_down = False
        self.now = self.loop.time()  # half a second old at most: asking costs more than a look
        self.date = b""
        self.tick()

    def start(self, inbound: Inbound) -> "asyncio.Task[None]":
        """Answer a request, in a task of its own."""
        # Without a name Python makes one up, which costs a hundredth of the call.
        return self.loop.create_task(self.serve(inbound), name="call")

    def take_over(self, transport: asyncio.Transport) -> Outlet:
        """Return what the transport of a new connection writes to.

        What the kernel does not take at once is waited for, also what TLS keeps meanwhile.
        """
        if self.scheme == "https":
            transport.set_write_buffer_limits(high=1, low=0)
        outlet = transport.get_extra_info("outlet")
        assert isinstance(outlet, Outlet)  # noqa: S101 - the listener makes no other
        return outlet

    def welcome(
        self, successor: Successor, transport: asyncio.Transport, early: bytes, *, is_full: bool
    ) -> None:
        """Let a connection go on in another protocol; `early` has come of it already."""
        outlet: Outlet = transport.get_extra_info("outlet")

        def note_loss() -> None:
            self.connections.discard(successor)
            outlet.drop()

        self.connections.add(successor)
        successor.on_lost = note_loss
        successor.take_over(transport, early)
        if is_full:
            successor.pause_writing()
        if self.is_winding_down:
            successor.wind_down()

    def admits(self, peer: str) -> bool:
        """Whether one more connection of the address is taken; trusted hops are exempt.

        Counted when there are so many at all, and anew half a second later: what has closed since
        counts until then.
        """
        most = self.limits.connections_per_address
        if not most or len(self.connections) < most or self.plane.hops.trusts(peer):
            return True
        if self._counted_at != self.now:
            self._counted_at = self.now
            self._crowd = Counter(getattr(one, "peer", "") for one in self.connections)
        count = self._crowd.get(peer, 0)
        if count >= most:
            self.plane.counters.add("connections_refused")
            return False
        self._crowd[peer] = count + 1
        return True

    async def run(self) -> None:
        """Keep time for ever."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            self.tick()

    def tick(self) -> None:
        """Look at the clock; end what has lasted too long."""
        now = self.now = self.loop.time()
        self.date = b"date: %b\r\n" % formatdate(time.time(), usegmt=True).encode("ascii")
        late = [c for c in self.connections if c.deadline < now or c.write_deadline < now]
        for connection in late:
            try:
                connection.expire()
            except Exception:  # noqa: BLE001 - the others have their limits, too
                _log.exception("a connection could not be ended")
                connection.abort()

    def say_goodbye(self) -> None:
        """Ask clients to open no more here: answers close from now on, HTTP/2 is told."""
        self.is_winding_down = True
        for connection in list(self.connections):
            connection.say_goodbye()

    def wind_down(self) -> None:
        """Close idle connections now and the others after the answer they are at."""
        self.is_winding_down = True
        for connection in list(self.connections):
            connection.wind_down()

    def abort_all(self) -> None:
        """Drop what is still open."""
        for connection in list(self.connections):
            connection.abort()

    def render(self, refusal: Refusal) -> tuple[Headers, bytes]:
        """Return fields and body of a refusal that no call was made for; it is counted here."""
        plane = self.plane
        request_id = plane.next_request_id()
        own = [(b"server", b"tollgate"), (b"x-request-id", request_id)]
        fields, body = render(refusal, request_id, own)
        plane.counters.observe(NO_SERIES, refusal.status, 0, 0, len(body))
        return fields, body
