"""What leaves at the end of a turn of the event loop, instead of in the middle of it.

A write to a socket whose reader sleeps has to wake it, which costs more than the rest of the write.
Answers that leave one after another find their readers awake, or wake one once.
"""

import asyncio
import logging
from typing import Protocol

_log = logging.getLogger(__name__)


class Departing(Protocol):
    """Who has something to send."""

    def flush(self) -> None:
        """Send it, as far as that goes."""

    def abort(self) -> None:
        """Drop the connection."""


class Departures:
    """Those of one event loop that have something to send in this turn."""

    __slots__ = ("_due", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._due: list[Departing] = []

    def add(self, departing: Departing) -> None:
        """Let it flush when what is ready now has run, before the event loop waits again."""
        if not self._due:
            self.loop.call_soon(self._let_go)
        self._due.append(departing)

    def _let_go(self) -> None:
        due, self._due = self._due, []
        for departing in due:
            try:
                departing.flush()
            except Exception:  # noqa: BLE001 - the others have something to send, too
                _log.exception("a connection could not be written to")
                departing.abort()
