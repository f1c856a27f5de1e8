"""Notice that a client has gone, and stop working for it.

A task that listens costs more than a small call, so only two kinds of calls get one: those that
stream their answer, and those whose upstream has been thinking for half a second.
"""

import asyncio
import time
from typing import Final

from gateway.dataplane.call import Call
from gateway.dataplane.plane import Plane

_SLOW_SECONDS: Final = 0.5
_BODY_POLL_SECONDS: Final = 0.1


def watch(plane: Plane, call: Call) -> None:
    """Listen for the client's departure until the call ends."""
    if call.watch is None:
        call.watch = asyncio.create_task(_give_up_when_client_leaves(plane, call))


async def watch_slow_calls(plane: Plane) -> None:
    """Watch each call that waits for its upstream for long; runs as long as the worker."""
    while True:
        await asyncio.sleep(_SLOW_SECONDS)
        slow = time.monotonic() - _SLOW_SECONDS
        for call in plane.in_flight:
            if call.is_waiting and call.started < slow:
                watch(plane, call)


async def _give_up_when_client_leaves(plane: Plane, call: Call) -> None:
    while not call.has_read_body:  # noqa: ASYNC110 - rare, and an event per call would not be
        # The body is being sent by another task, which reads from the client itself.
        await asyncio.sleep(_BODY_POLL_SECONDS)
    while (await call.receive())["type"] != "http.disconnect":
        pass
    call.client_gone = True
    plane.counters.add("client_disconnects")
    if call.response is not None:
        call.response.abort()
    elif call.is_waiting and call.task is not None:
        call.task.cancel()
