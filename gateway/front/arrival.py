"""A connection of a client before it is known what it speaks."""

import asyncio
from typing import cast

from gateway.front.limits import NEVER
from gateway.front.outlet import Outlet
from gateway.front.shared import Front, peer_of


class Arrival(asyncio.Protocol):
    """Counts among the connections of its address; has asked for nothing yet."""

    __slots__ = ("_front", "_outlet", "deadline", "peer", "write_deadline")

    def __init__(self, front: Front) -> None:
        self._front = front
        self._outlet: Outlet | None = None
        self.peer = ""
        self.deadline = self.write_deadline = NEVER

    def enter(self, transport: asyncio.BaseTransport) -> Outlet | None:
        """Return what the connection writes to; None where its address has too many: it ends."""
        below = cast("asyncio.Transport", transport)
        self.peer = peer_of(transport)
        if not self._front.admits(self.peer):
            below.abort()
            return None
        self._outlet = Outlet(self._front.plane, self._front.departures, below)
        self._front.connections.add(self)
        return self._outlet

    def expire(self) -> None:
        """Close: nothing came."""
        self.abort()

    def say_goodbye(self) -> None:
        """Wait for what it will be."""

    def wind_down(self) -> None:
        """Close: nothing is under way."""
        self.abort()

    def abort(self) -> None:
        """Drop the connection."""
        if self._outlet is not None:
            self._outlet.abort()
