"""A bounded sample of each subscription's calls, sent to the control API for its developer.

Whatever the load, a worker takes note of 20 calls that went well and 20 that did not for each
subscription in 5 s, and of 1,000 in all; a sample that cannot be sent is dropped and counted.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from gateway.control_client import ControlFailed
from gateway.counters import Counters
from gateway.dataplane.call import Call
from wire.recent_calls import MOST_CALLS, RecentCall

_SECONDS: Final = 5.0
_MOST_OF_ONE: Final = 20
_FIRST_ERROR: Final = 400

Send = Callable[[list[RecentCall]], Awaitable[None]]

_log = logging.getLogger(__name__)


class RecentCalls:
    """Collects; `run` sends."""

    def __init__(self, send: Send, counters: Counters) -> None:
        self._send = send
        self._counters = counters
        self._waiting: list[RecentCall] = []
        self._well: dict[str, int] = {}
        self._ill: dict[str, int] = {}

    def note(self, call: Call, seconds: float, unix_now: float) -> None:
        """Take note of a finished call, unless there are enough of its kind."""
        decision, route = call.decision, call.route
        if decision is None or route is None:
            return
        subscription_id = decision.entitlement.subscription.id
        taken = self._well if call.status < _FIRST_ERROR else self._ill
        count = taken.get(subscription_id, 0)
        if count >= _MOST_OF_ONE or len(self._waiting) >= MOST_CALLS:
            return
        taken[subscription_id] = count + 1
        self._waiting.append(
            RecentCall(
                subscription_id=subscription_id,
                at=round(unix_now, 3),
                api=route.api.slug,
                operation=route.operation.id,
                method=call.method,
                status=call.status,
                latency_ms=int(seconds * 1000),
                request_id=call.request_id.decode("ascii"),
                problem=call.extras.problem if call.extras is not None else "",
            )
        )

    async def run(self) -> None:
        """Send what has come in, every 5 s, for ever."""
        while True:
            await asyncio.sleep(_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Send what has come in."""
        waiting, self._waiting = self._waiting, []
        self._well.clear()
        self._ill.clear()
        if not waiting:
            return
        try:
            await self._send(waiting)
        except ControlFailed as error:
            self._counters.add("recent_calls_dropped", len(waiting))
            _log.info("a sample of calls was dropped: %s", error)
