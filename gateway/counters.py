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
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_COUNTERS: Final = {
    "introspections": "Introspections sent to the token service.",
    "introspections_crowded_out": "Tokens refused with 503: too many were being checked.",
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
    "quota_seeds": "Quotas without a count that went on from the metered calls.",
    "quota_seed_failures": "Attempts to learn the metered calls of a quota that failed.",
    "limits_data_lost": "Quotas of which Valkey had lost the count.",
    "foreign_tokens_verified": "JWT access tokens of other issuers that were verified.",
    "foreign_keys_unavailable": "Such tokens refused with 503: their issuer's keys were missing.",
    "dpop_replays_local": "DPoP proofs checked by one worker's memory: Valkey was away.",
    "upstream_errors": "Calls that the upstream did not answer properly.",
    "client_disconnects": "Calls whose client went away.",
    "connections_refused": "Connections above what one address may have.",
    "internal_errors": "Calls that failed inside the gateway.",
    "request_bytes": "Body bytes received from clients.",
    "response_bytes": "Body bytes sent to clients.",
    "recent_calls_dropped": "Calls of the sample for developers that could not be sent.",
    "spans_sent": "Spans of traces that a collector took.",
    "spans_dropped": "Spans of traces that came too fast, or that the collector refused.",
    "usage_failures": "Calls that could not be written to the usage journal.",
    "usage_calls_lost": "Calls that will never be billed: neither disk nor memory was left.",
    "usage_memory_fallbacks": "Usage segments counted in memory because the disk failed.",
    "usage_send_failures": "Attempts to ship usage that failed; it is kept and sent again.",
    "usage_batches_rejected": "Usage batches that the control API will never take; set aside.",
    "usage_report_failures": "Attempts to tell the control API what is shipped that failed.",
    "usage_segments_discarded": "Usage segments deleted unsent because the spool was full.",
}
_GAUGES: Final = {
    "snapshot_version": "Version of the loaded snapshot; 0 is none.",
    "snapshot_refused": "1 while the last snapshot or change that came was not loaded.",
    "feed_lost_seconds": "How long the revocation feed has been lost.",
    "authority_away": "1 while the token service is left alone because it does not answer.",
    "credentials_refused": "1 while the token service refuses the gateway's own credentials.",
    "limits_degraded": "1 while Valkey is away and limits are the worker's own share.",
    "limit_leases": "Counters of limits that are remembered.",
    "cached_tokens": "Entries in the token cache.",
    "cached_bytes": "Size of the token cache, estimated.",
    "calls_in_flight": "Calls under way.",
    "usage_spool_bytes": "Usage on disk that is not shipped, what is being written included.",
    "usage_lag_seconds": "For how long something that was counted has not been shipped.",
    "usage_reconciled_minute": "Unix time of the newest minute of which no usage of any gateway is"
    " under way, as the control API last said; 0 is none.",
}
# How the gauges of several workers make one; the others are added up.
_REDUCE: Final[Mapping[str, Callable[[list[int]], int]]] = {
    "snapshot_version": min,
    "snapshot_refused": max,
    "feed_lost_seconds": max,
    "authority_away": max,
    "credentials_refused": max,
    "limits_degraded": max,
    "usage_spool_bytes": max,  # all workers look at one directory
    "usage_lag_seconds": max,
    "usage_reconciled_minute": max,  # the last answer; all are asked about the same
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
STATUS_AT: Final = len(_NAMES)

# A series is what is counted of one operation: a histogram of latencies, their sum, statuses. The
# statuses that mean something have cells of their own, the others of a class have one.
SERIES_STATUSES: Final = (
    *(100, 200, 201, 202, 204, 206, 300, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 405),
    *(406, 408, 409, 410, 411, 412, 413, 414, 415, 421, 422, 425, 426, 428, 429, 431, 499, 500),
    *(501, 502, 503, 504),
)
MOST_SERIES: Final = 2048
_SERIES_SUM: Final = len(LATENCY_BUCKETS) + 1
_SERIES_STATUS: Final = _SERIES_SUM + 1
_SERIES_CELLS: Final = _SERIES_STATUS + len(SERIES_STATUSES)
_SERIES_AT: Final = STATUS_AT + _STATUSES
_CELLS: Final = _SERIES_AT + MOST_SERIES * _SERIES_CELLS
_BYTES: Final = _CELLS * 8


def _place(status: int) -> int:
    known = status if status in SERIES_STATUSES else min(max(status // 100, 1), 5) * 100
    return _SERIES_STATUS + SERIES_STATUSES.index(known)


_PLACES: Final = tuple(_place(status) for status in range(_STATUSES))


def series_cells(number: int) -> int:
    """Return the first cell of a series. The series 0 is of calls that reached no operation."""
    return _SERIES_AT + number * _SERIES_CELLS


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
        self, series: int, status: int, microseconds: int, request_bytes: int, response_bytes: int
    ) -> None:
        """Count one finished call; `series` is the first cell of its operation's."""
        cells = self.cells
        if request_bytes:
            cells[_REQUEST_BYTES] += request_bytes
        cells[_RESPONSE_BYTES] += response_bytes
        cells[STATUS_AT + status] += 1
        cells[series + bisect_left(LATENCY_BUCKETS, microseconds)] += 1
        cells[series + _SERIES_SUM] += microseconds
        cells[series + _PLACES[status]] += 1


NO_SERIES: Final = series_cells(0)
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


def worker_paths(directory: Path) -> list[Path]:
    """Return the file of every slot that a worker holds or held."""
    return [path for path in sorted(directory.glob("worker-*")) if path.stat().st_size == _BYTES]


def read_cells(path: Path) -> memoryview:
    """Return the numbers of one slot, as they are now."""
    return memoryview(path.read_bytes()).cast("Q")


def read_living_workers(directory: Path) -> list[memoryview]:
    """Return the cells of every slot that a living worker holds."""
    return [read_cells(path) for path in worker_paths(directory) if is_held(path)]


def is_held(path: Path) -> bool:
    """Whether a living worker holds the slot."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def remove_abandoned(directory: Path) -> None:
    """Start from zero, but for slots that a living worker holds: another gateway may run here."""
    for path in directory.glob("worker-*"):
        if not is_held(path):
            path.unlink(missing_ok=True)
            for kind in ("labels", "targets"):
                beside(directory, kind, path).unlink(missing_ok=True)


def beside(directory: Path, kind: str, worker: Path) -> Path:
    """Return the file of a worker that says what its numbers cannot."""
    return directory / f"{kind}-{worker.name.removeprefix('worker-')}"


def are_ready(workers: list[memoryview], expected: int) -> bool:
    """Whether `expected` workers have a snapshot."""
    return count_ready(workers) >= expected


def count_ready(workers: list[memoryview]) -> int:
    """Return how many have a snapshot."""
    version = INDEX["snapshot_version"]
    return sum(1 for cells in workers if cells[version])


def read_named(workers: list[memoryview], name: str) -> int:
    """Return a counter's sum, or what the gauges of several workers make."""
    values = [int(cells[INDEX[name]]) for cells in workers] or [0]
    return _REDUCE.get(name, sum)(values)


def descriptions() -> Iterator[tuple[str, str, str]]:
    """Yield name, kind and meaning of everything that has one cell in a worker."""
    for name, text in _COUNTERS.items():
        yield name, "counter", text
    for name, text in _GAUGES.items():
        yield name, "gauge", text


def count_status(workers: list[memoryview], status: int) -> int:
    """Return how many calls were answered with `status`."""
    return sum(int(cells[STATUS_AT + status]) for cells in workers)


@dataclass(frozen=True, slots=True)
class SeriesRead:
    """What was counted of one operation: calls by latency bucket, their time, calls by status."""

    buckets: list[int]
    microseconds: int
    statuses: dict[int, int]  # without zeros; x00 stands for what has no cell of its own


def read_series(cells: memoryview, number: int) -> SeriesRead:
    """Return what one worker counted of a series."""
    start = series_cells(number)
    row = [int(cell) for cell in cells[start : start + _SERIES_CELLS]]
    statuses = zip(SERIES_STATUSES, row[_SERIES_STATUS:], strict=True)
    return SeriesRead(
        buckets=row[:_SERIES_SUM],
        microseconds=row[_SERIES_SUM],
        statuses={status: count for status, count in statuses if count},
    )
