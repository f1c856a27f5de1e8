"""The page that Prometheus reads (text format 0.0.4), from the files that workers keep.

It is made in the parent process: no worker that serves calls spends anything on a scrape.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gateway import counters
from gateway.counters import LATENCY_BUCKETS, SeriesRead
from gateway.series import Label, read_labels

_PREFIX: Final = "tollgate_gateway"
_STATUSES: Final = range(100, 600)
_NONE: Final = ("", "")  # of calls that reached no operation
# The longest a feed may be silent before entries are asked for again; see `revocations`.
_FEED_LOST_SECONDS: Final = 10


@dataclass(slots=True)
class _Operation:
    """The sums over workers of one operation."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_BUCKETS) + 1))
    microseconds: int = 0
    statuses: Counter[int] = field(default_factory=Counter)

    def add(self, read: SeriesRead) -> None:
        self.buckets = [a + b for a, b in zip(self.buckets, read.buckets, strict=True)]
        self.microseconds += read.microseconds
        self.statuses.update(read.statuses)


def render(directory: Path) -> str:
    """Return the page of the workers whose files are in `directory`."""
    paths = counters.worker_paths(directory)
    cells = [counters.read_cells(path) for path in paths]
    held = [path for path in paths if counters.is_held(path)]
    living = [worker for path, worker in zip(paths, cells, strict=True) if path in held]
    lines = [*render_named(cells, living), *_render_statuses(cells)]
    operations: dict[Label, _Operation] = defaultdict(_Operation)
    for path, worker in zip(paths, cells, strict=True):
        labels = [_NONE, *read_labels(counters.beside(directory, "labels", path))]
        for number, label in enumerate(labels):
            operations[label].add(counters.read_series(worker, number))
    lines += _render_operations(operations)
    lines += _render_targets(
        [row for path in held for row in read_targets(counters.beside(directory, "targets", path))]
    )
    return "\n".join([*lines, ""])


def render_named(workers: list[memoryview], living: list[memoryview]) -> Iterator[str]:
    """Yield what has one number, and the alerts that are made of it.

    Counters go on growing over `workers` that have ended; gauges are those of the `living`.
    """
    for name, kind, text in counters.descriptions():
        shown = f"{_PREFIX}_{name}_total" if kind == "counter" else f"{_PREFIX}_{name}"
        yield f"# HELP {shown} {text}"
        yield f"# TYPE {shown} {kind}"
        read = workers if kind == "counter" else living
        yield f"{shown} {counters.read_named(read, name)}"
    yield from _head("alert", "gauge", "1 while an operator should look; the gateway serves on.")
    for alert, is_on in _alerts(workers, living):
        yield f'{_PREFIX}_alert{{alert="{alert}"}} {int(is_on)}'


def _alerts(workers: list[memoryview], living: list[memoryview]) -> Iterator[tuple[str, bool]]:
    yield "no_configuration", not counters.read_named(living, "snapshot_version")
    yield "snapshot_refused", counters.read_named(living, "snapshot_refused") > 0
    yield "feed_lost", counters.read_named(living, "feed_lost_seconds") > _FEED_LOST_SECONDS
    for name in ("authority_away", "credentials_refused"):
        yield name, counters.read_named(living, name) > 0
    yield "limits_degraded", counters.read_named(living, "limits_degraded") > 0
    yield "usage_lost", counters.read_named(workers, "usage_calls_lost") > 0


def _render_statuses(workers: list[memoryview]) -> Iterator[str]:
    name = f"{_PREFIX}_calls_total"
    yield f"# HELP {name} Calls answered, by status."
    yield f"# TYPE {name} counter"
    for status in _STATUSES:
        count = counters.count_status(workers, status)
        if count:
            yield f'{name}{{status="{status}"}} {count}'


def _render_operations(operations: dict[Label, _Operation]) -> Iterator[str]:
    total = _Operation()
    for one in operations.values():
        total.buckets = [a + b for a, b in zip(total.buckets, one.buckets, strict=True)]
        total.microseconds += one.microseconds
    yield from _head("call_seconds", "histogram", "Time from a request to its answer's last byte.")
    yield from _histogram("call_seconds", "", total)
    yield from _head("operation_calls_total", "counter", "Calls by API, operation and status.")
    called = {label: one for label, one in operations.items() if one.statuses}
    for label, one in called.items():
        for status, count in sorted(one.statuses.items()):
            text = f'{_labels(label)},status="{status}"'
            yield f"{_PREFIX}_operation_calls_total{{{text}}} {count}"
    yield from _head("operation_seconds", "histogram", "The same time, by API and operation.")
    for label, one in called.items():
        yield from _histogram("operation_seconds", _labels(label), one)


def _head(name: str, kind: str, text: str) -> Iterator[str]:
    yield f"# HELP {_PREFIX}_{name} {text}"
    yield f"# TYPE {_PREFIX}_{name} {kind}"


def _histogram(name: str, labels: str, one: _Operation) -> Iterator[str]:
    total = 0
    comma = "," if labels else ""
    for count, bound in zip(one.buckets, [*LATENCY_BUCKETS, None], strict=True):
        total += count
        le = "+Inf" if bound is None else f"{bound / 1_000_000:g}"
        yield f'{_PREFIX}_{name}_bucket{{{labels}{comma}le="{le}"}} {total}'
    around = f"{{{labels}}}" if labels else ""
    yield f"{_PREFIX}_{name}_sum{around} {one.microseconds / 1_000_000:g}"
    yield f"{_PREFIX}_{name}_count{around} {total}"


def _labels(label: Label) -> str:
    return f'api="{_escape(label[0])}",operation="{_escape(label[1])}"'


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _render_targets(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Yield what workers know of targets: up is 1 where all of them say so."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        labels = f'upstream="{_escape(row["upstream"])}",target="{_escape(row["target"])}"'
        found[labels].append(row)
    yield from _head("target_up", "gauge", "1 while every worker sends calls to the target.")
    for labels, seen in found.items():
        yield f"{_PREFIX}_target_up{{{labels}}} {min(row['up'] for row in seen)}"
    for name, text in (
        ("failures", "Calls that the target did not answer properly."),
        ("ejections", "How often failed calls took the target out."),
    ):
        yield from _head(f"target_{name}_total", "counter", text)
        for labels, seen in found.items():
            yield f"{_PREFIX}_target_{name}_total{{{labels}}} {sum(row[name] for row in seen)}"


def read_targets(path: Path) -> Iterable[dict[str, Any]]:
    """Return what a worker wrote of its targets; nothing where it has none."""
    try:
        rows: list[dict[str, Any]] = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return []
    return rows
