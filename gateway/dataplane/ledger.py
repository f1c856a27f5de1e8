"""Close a call's account: metering, counters and the access log, once per call."""

import logging
import time

from gateway.dataplane.call import Call
from gateway.dataplane.plane import Plane

_log = logging.getLogger(__name__)


def close(plane: Plane, call: Call) -> None:
    """Write the call down. Before its last bytes leave, so that no answered call is uncounted."""
    if call not in plane.in_flight:
        return
    plane.in_flight.discard(call)
    seconds = time.monotonic() - call.started
    unix_now = time.time()
    plane.counters.observe(
        call.status, int(seconds * 1_000_000), call.request_bytes, call.response_bytes
    )
    if call.decision is not None:
        _meter(plane, call, seconds, unix_now)
    if plane.access_log is not None:
        plane.access_log.write(call, seconds, unix_now)


def _meter(plane: Plane, call: Call, seconds: float, unix_now: float) -> None:
    assert call.decision is not None  # noqa: S101 - the caller looked
    try:
        plane.journal.record(
            call.decision.meter_key,
            call.status + call.cause,
            request_bytes=call.request_bytes,
            response_bytes=call.response_bytes,
            latency_ms=int(seconds * 1000),
            now=unix_now,
        )
    except OSError:
        # A full disk must not stop the API; the counter tells the operator what was not billed.
        plane.counters.add("usage_failures")
        _log.exception("usage could not be written")
