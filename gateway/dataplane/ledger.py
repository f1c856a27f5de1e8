"""A call's account: metering at its last byte, then counters and the access log, each once."""

import logging
import time

from gateway.counters import NO_SERIES
from gateway.dataplane.call import Call
from gateway.dataplane.plane import Plane
from gateway.dataplane.routing import Route

_log = logging.getLogger(__name__)


def meter(plane: Plane, call: Call) -> None:
    """Count the call. The front does so directly before it sends the last bytes.

    A process that is killed loses no call whose client has them, and counts one too much at most:
    the one that was between these two instructions (ADR-0007). So nothing may come between them.
    """
    decision = call.decision
    if decision is None or call.is_metered:
        return
    call.is_metered = True
    try:
        plane.journal.record(
            decision.meter_key,
            call.status + call.cause,
            request_bytes=call.request_bytes,
            response_bytes=call.response_bytes,
            latency_ms=int((time.monotonic() - call.started) * 1000),
            now=time.time(),
        )
    except OSError:
        # A full disk must not stop the API; the counter tells the operator what was not billed.
        plane.counters.add("usage_failures")
        _log.exception("usage could not be written")


def close(plane: Plane, call: Call) -> None:
    """Write down what became of the call; meter it if its last bytes never left."""
    if call not in plane.in_flight:
        return
    plane.in_flight.discard(call)
    meter(plane, call)
    seconds = time.monotonic() - call.started
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
