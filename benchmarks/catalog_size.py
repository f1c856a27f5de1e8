"""What a large catalog costs the gateway: `python -m benchmarks catalog-size`.

Each size runs in a process of its own: a snapshot is loaded as a worker loads it, while a task
notes for how long the event loop does not come to it; then changes; then the stages of calls of
100 clients spread over the catalog, all but the forward, which knows nothing of its size.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks import catalog_world, report

SIZES = ((10, 100), (2_000, 100_000))
CLIENTS = 100
ROUNDS = 30
CHANGES = 50


def main() -> int:
    """Return 0 when it could run here."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, help="replace the table in this Markdown file")
    parser.add_argument("--one", nargs=2, type=int, help="measure one size: APIs, subscriptions")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(asyncio.run(_measure(*options.one))))
        return 0
    rows = [_measure_apart(*size) for size in SIZES]
    text = _table(rows)
    print(text)
    if options.write:
        document = options.write.read_text()
        options.write.write_text(report.replace_figures(document, "catalog-size", text))
    return 0


def _measure_apart(apis: int, subscriptions: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.catalog_size", "--one"]
    done = subprocess.run(
        [*command, str(apis), str(subscriptions)], check=True, stdout=subprocess.PIPE
    )
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def _table(rows: list[dict[str, Any]]) -> str:
    small, large = rows
    lines = [
        "| | 10 APIs, 100 subscriptions | 2,000 APIs, 100,000 subscriptions |",
        "|---|---:|---:|",
    ]
    for name, text in (
        ("stages_us", "CPU per call, all stages but the forward, µs"),
        ("document_mb", "the whole snapshot, MB"),
        ("load_seconds", "CPU time to read it while calls go on, s"),
        ("load_stall_ms", "longest the event loop was held meanwhile, ms"),
        ("subscription_ms", "a change of a subscription applied, ms of CPU"),
        ("subscription_stall_ms", "longest the event loop was held by one, ms"),
        ("api_ms", "a change of an API applied, ms of CPU"),
        ("api_stall_ms", "longest the event loop was held by one, ms"),
        ("memory_mb", "memory of the snapshot in a worker, MB"),
        ("resident_mb", "resident memory of the process, MB"),
    ):
        lines.append(f"| {text} | {small[name]:.2f} | {large[name]:.2f} |")
    ratio = large["stages_us"] / small["stages_us"]
    lines += ["", f"Cost of a call in the large catalog over the small one: {ratio:.2f}."]
    return "\n".join(lines)


async def _measure(apis: int, subscriptions: int) -> dict[str, float]:
    world = catalog_world.CatalogWorld(apis, subscriptions)
    document = world.document()
    before = _resident_mb()
    figures = {"document_mb": len(document) / 1e6}
    async with _loop_watched(figures, "load_stall_ms"):
        began = time.process_time()
        await world.load(document)
        figures["load_seconds"] = time.process_time() - began
    del document
    figures["resident_mb"] = _resident_mb()
    figures["memory_mb"] = figures["resident_mb"] - before
    for kind, changes in (
        ("subscription", world.subscription_changes(CHANGES)),
        ("api", world.api_changes(CHANGES)),
    ):
        async with _loop_watched(figures, f"{kind}_stall_ms"):
            figures[f"{kind}_ms"] = await _apply_all(world, changes)
    figures["stages_us"] = _stages_us(world)
    await world.close()
    return figures


async def _apply_all(world: "catalog_world.CatalogWorld", changes: Iterator[bytes]) -> float:
    """Return how long one takes, the middle of all."""
    taken = []
    for change in changes:
        began = time.process_time()
        await world.load(change)
        taken.append((time.process_time() - began) * 1e3)
        await asyncio.sleep(0.005)
    return sorted(taken)[len(taken) // 2]


def _stages_us(world: "catalog_world.CatalogWorld") -> float:
    """Return the CPU time of a call, the best round."""
    calls = world.make_calls(CLIENTS)
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        for call in calls * 20:
            world.run_stages(call)
        best = min(best, (time.process_time() - began) / (len(calls) * 20))
    return best * 1e6


@asynccontextmanager
async def _loop_watched(figures: dict[str, float], name: str) -> Any:
    """Note the longest CPU time that others had between two turns of a task.

    CPU time, because on a busy machine the clock says how long others of it ran.
    """
    late = [0.0]

    async def watch() -> None:
        while True:
            began = time.process_time()
            await asyncio.sleep(0)
            late.append(time.process_time() - began)

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0.05)
    late[:] = [0.0]
    yield
    await asyncio.sleep(0.01)
    watching.cancel()
    figures[name] = max(late) * 1e3


def _resident_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


if __name__ == "__main__":
    raise SystemExit(main())
