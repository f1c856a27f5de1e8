"""A call's account: metering at its last byte, then counters and the access log, each once."""

import logging
import time

from gateway.counters import NO_SERIES
from gateway.dataplane.call import Call
from gateway.dataplane.plane import Plane
from gateway.dataplane.routing import Route

_log = logging.getLogger(__name__)


def meter(plane: Plane, call: Call, mark: int = 0) -> None:
    """Count the call. The front does so before it sends the last bytes.

    Until it calls `journal.settle`, the call counts only if the file of what was sent has got to
    `mark`: the parent looks when the worker was killed (ADR-0007).
    """
    decision = call.decision
    if decision is None or call.is_metered:
        return
    call.is_metered = True
    call.seconds = time.monotonic() - call.started
    try:
        plane.journal.record(
            decision.meter_key,
            call.status + call.cause,
            request_bytes=call.request_bytes,
            response_bytes=call.response_bytes,
            latency_ms=int(call.seconds * 1000),
            now=time.time(),
            mark=mark,
        )
    except OSError:
        # A full disk must not stop the API; the counter tells the operator what was not billed.
        plane.counters.add("usage_failures")
        _log.exception("usage could not be written")


def take_back(plane: Plane, call: Call) -> None:
    """Undo `meter`: the kernel did not take the last bytes, they wait."""
    plane.journal.take_back()
    call.is_metered = False


def give_up(plane: Plane, call: Call) -> None:
    """Meter a call whose last bytes will never leave: the client has gone."""
    plane.leaving.discard(call)
    meter(plane, call)


def close(plane: Plane, call: Call) -> None:
    """Write down what became of the call; meter it unless its last bytes still wait."""
    if call not in plane.in_flight:
        return
    plane.in_flight.discard(call)
    if call not in plane.leaving:
        meter(plane, call)
    seconds = call.seconds or time.monotonic() - call.started
    plane.counters.observe(
        _series(plane, call.route),
        call.status,
        int(seconds * 1_000_000),
        call.request_bytes,
        call.response_bytes,
    )
    if plane.sample is not None and call.decision is not None:
        plane.sample.note(call, seconds, time.time())
    if plane.access_log is not None:
        plane.access_log.write(call, seconds, time.time())


def _series(plane: Plane, route: Route | None) -> int:
    if route is None:
        return NO_SERIES
    tally = route.tally
    if not tally.series:
        tally.series = plane.series.claim(route.api.slug, route.operation.id)
    return tally.series
