"""What a worker counts: one memory-mapped file per worker, summed by the parent.

A worker claims the first slot that no living process holds (an advisory lock, which the kernel
drops with the process), so a worker that is started anew goes on counting where the dead one
stopped, and the sums never go backwards.
"""

import fcntl
import mmap
import os
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

_COUNTERS: Final = {
    "introspections": "Introspections sent to the token service.",
    "introspection_failures": "Introspections without a usable answer.",
    "introspection_nonsense": "Answers of the token service that were no JWT for the API.",
    "gateway_credentials_refused": "The token service refused the gateway's own credentials.",
    "token_cache_hits": "Calls whose token was in the cache.",
    "token_cache_misses": "Calls whose token had to be asked for.",
    "negative_cache_hits": "Calls refused by the cache of inactive tokens.",
    "stale_tokens_served": "Calls served by an entry that could not be asked for again.",
    "revoked_digests": "Token digests received over the revocation feed.",
    "revocation_feed_failures": "Failed polls of the revocation feed.",
    "snapshot_rejections": "Snapshots that failed validation and were not loaded.",
    "snapshot_failures": "Failed polls of the control API.",
    "snapshot_loads": "Snapshots loaded.",
    "lease_requests": "Leases asked of Valkey.",
    "lease_failures": "Leases that Valkey could not give; the worker's own share was used.",
    "rate_limited": "Calls refused by a rate limit.",
    "quota_refused": "Calls refused by a quota.",
    "quota_throttled": "Calls admitted at the lower rate of a quota that is used up.",
    "limits_local_calls": "Calls admitted by the worker's own share while Valkey was away.",
    "limits_data_lost": "Quotas of which Valkey had lost the count.",
    "upstream_errors": "Calls that the upstream did not answer properly.",
    "client_disconnects": "Calls whose client went away.",
    "internal_errors": "Calls that failed inside the gateway.",
    "request_bytes": "Body bytes received from clients.",
    "response_bytes": "Body bytes sent to clients.",
    "latency_microseconds": "Time spent on calls, upstream included.",
    "usage_failures": "Calls that could not be written to the usage journal.",
    "usage_calls_lost": "Calls that will never be billed: neither disk nor memory was left.",
    "usage_memory_fallbacks": "Usage segments counted in memory because the disk failed.",
    "usage_send_failures": "Attempts to ship usage that failed; it is kept and sent again.",
    "usage_batches_rejected": "Usage batches that the control API will never take; set aside.",
    "usage_segments_discarded": "Usage segments deleted unsent because the spool was full.",
}
_GAUGES: Final = {
    "snapshot_version": "Version of the loaded snapshot; 0 is none.",
    "feed_lost_seconds": "How long the revocation feed has been lost.",
    "limits_degraded": "1 while Valkey is away and limits are the worker's own share.",
    "limit_leases": "Counters of limits that are remembered.",
    "cached_tokens": "Entries in the token cache.",
    "cached_bytes": "Size of the token cache, estimated.",
    "calls_in_flight": "Calls under way.",
    "usage_spool_bytes": "Usage on disk that is not shipped, what is being written included.",
}
# How the gauges of several workers make one; the others are added up.
_REDUCE: Final[Mapping[str, Callable[[list[int]], int]]] = {
    "snapshot_version": min,
    "feed_lost_seconds": max,
    "limits_degraded": max,
    "usage_spool_bytes": max,  # all workers look at one directory
}
# Upper bounds in microseconds, and one more for everything above.
LATENCY_BUCKETS: Final = (
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    100_000,
    500_000,
    2_500_000,
)
_STATUSES: Final = 600

_NAMES: Final = [*_COUNTERS, *_GAUGES]
INDEX: Final = {name: at for at, name in enumerate(_NAMES)}
_LATENCY_AT: Final = len(_NAMES)
STATUS_AT: Final = _LATENCY_AT + len(LATENCY_BUCKETS) + 1
_CELLS: Final = STATUS_AT + _STATUSES
_BYTES: Final = _CELLS * 8


class Counters:
    """The cells of one worker; adding is a few machine words in memory, no system call."""

    def __init__(self, cells: memoryview, slot: int) -> None:
        self.cells = cells
        self.slot = slot

    def add(self, name: str, amount: int = 1) -> None:
        self.cells[INDEX[name]] += amount

    def set(self, name: str, value: int) -> None:
        self.cells[INDEX[name]] = value

    def read(self, name: str) -> int:
        return int(self.cells[INDEX[name]])

    def observe(
        self, status: int, microseconds: int, request_bytes: int, response_bytes: int
    ) -> None:
        """Count one finished call."""
        cells = self.cells
        if request_bytes:
            cells[_REQUEST_BYTES] += request_bytes
        cells[_RESPONSE_BYTES] += response_bytes
        cells[STATUS_AT + status] += 1
        cells[_LATENCY_MICROSECONDS] += microseconds
        cells[_LATENCY_AT + bisect_left(LATENCY_BUCKETS, microseconds)] += 1


_LATENCY_MICROSECONDS: Final = INDEX["latency_microseconds"]
_REQUEST_BYTES: Final = INDEX["request_bytes"]
_RESPONSE_BYTES: Final = INDEX["response_bytes"]


def private_counters() -> Counters:
    """Return counters that nobody else reads."""
    return Counters(memoryview(bytearray(_BYTES)).cast("Q"), 0)


def claim_counters(directory: Path) -> Counters:
    """Return the counters of the first free slot, held until the process ends; gauges are 0."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    for slot in range(1024):
        descriptor = os.open(directory / f"worker-{slot}", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            continue
        os.ftruncate(descriptor, _BYTES)
        counters = Counters(memoryview(mmap.mmap(descriptor, _BYTES)).cast("Q"), slot)
        for name in _GAUGES:
            counters.set(name, 0)
        return counters
    raise RuntimeError("No free worker slot.")


def read_workers(directory: Path) -> list[memoryview]:
    """Return the cells of every slot that a living worker holds or held."""
    return [
        memoryview(data).cast("Q")
        for path in sorted(directory.glob("worker-*"))
        if len(data := path.read_bytes()) == _BYTES
    ]


def read_living_workers(directory: Path) -> list[memoryview]:
    """Return the cells of every slot that a living worker holds."""
    return [
        memoryview(path.read_bytes()).cast("Q")
        for path in sorted(directory.glob("worker-*"))
        if _is_held(path)
    ]


def _is_held(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def remove_abandoned(directory: Path) -> None:
    """Start from zero, but for slots that a living worker holds: another gateway may run here."""
    for path in directory.glob("worker-*"):
        if not _is_held(path):
            path.unlink(missing_ok=True)


def are_ready(workers: list[memoryview], expected: int) -> bool:
    """Whether `expected` workers have a snapshot."""
    version = INDEX["snapshot_version"]
    return sum(1 for cells in workers if cells[version]) >= expected


def render(workers: list[memoryview]) -> str:
    """Return the Prometheus text format 0.0.4, summed over workers; the lowest snapshot version."""
    return "\n".join([*_render_named(workers), *_render_calls(workers), ""])


def _render_named(workers: list[memoryview]) -> Iterator[str]:
    for name, text in _COUNTERS.items():
        yield f"# HELP tollgate_gateway_{name}_total {text}"
        yield f"# TYPE tollgate_gateway_{name}_total counter"
        yield f"tollgate_gateway_{name}_total {sum(cells[INDEX[name]] for cells in workers)}"
    for name, text in _GAUGES.items():
        values = [int(cells[INDEX[name]]) for cells in workers] or [0]
        yield f"# HELP tollgate_gateway_{name} {text}"
        yield f"# TYPE tollgate_gateway_{name} gauge"
        yield f"tollgate_gateway_{name} {_REDUCE.get(name, sum)(values)}"


def _render_calls(workers: list[memoryview]) -> Iterator[str]:
    yield "# HELP tollgate_gateway_calls_total Calls answered, by status."
    yield "# TYPE tollgate_gateway_calls_total counter"
    for status in range(_STATUSES):
        count = sum(cells[STATUS_AT + status] for cells in workers)
        if count:
            yield f'tollgate_gateway_calls_total{{status="{status}"}} {count}'
    name = "tollgate_gateway_call_seconds"
    yield f"# HELP {name} Time from the request's head to the answer's last byte."
    yield f"# TYPE {name} histogram"
    total = 0
    for at, bound in enumerate([*LATENCY_BUCKETS, None]):
        total += sum(cells[_LATENCY_AT + at] for cells in workers)
        label = "+Inf" if bound is None else f"{bound / 1_000_000:g}"
        yield f'{name}_bucket{{le="{label}"}} {total}'
    seconds = sum(cells[_LATENCY_MICROSECONDS] for cells in workers) / 1_000_000
    yield f"{name}_sum {seconds:g}"
    yield f"{name}_count {total}"
