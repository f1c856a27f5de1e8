"""How soon a saved change is enforced in a large installation: `python -m benchmarks enforcement`.

The whole of Tollgate is started, 2,000 APIs and 100,000 subscriptions are put into its database,
and then changes are saved through the services, one by one. The time runs from the commit until
every gateway worker has said that it holds the version.
"""

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import report
from benchmarks.processes import free_ports
from gateway import counters

APIS, SUBSCRIPTIONS, OPERATIONS = 2_000, 100_000, 10
WORKERS = 2
_PORTS = ("WEB_PORT", "GATEWAY_PORT", "GATEWAY_ADMIN_PORT", "DEMO_PORT")
_READY_SECONDS = 180


def main() -> int:
    """Return 0 when it could run here."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--changes", type=int, default=15, help="of each kind (default 15)")
    parser.add_argument("--write", type=Path, help="replace the table in this Markdown file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tollgate-bench-") as folder, _serving(Path(folder)):
        text = _measure(Path(folder), options.changes)
    print(text)
    if options.write:
        document = options.write.read_text()
        options.write.write_text(report.replace_figures(document, "enforcement", text))
    return 0


@contextlib.contextmanager
def _serving(home: Path) -> Iterator[None]:
    ports = dict(zip(_PORTS, map(str, free_ports(len(_PORTS))), strict=True))
    os.environ |= {f"TOLLGATE_{name}": port for name, port in ports.items()}
    os.environ |= {"TOLLGATE_HOME": str(home), "TOLLGATE_GATEWAY_WORKERS": str(WORKERS)}
    output = home / "serve.out"
    with output.open("wb") as file:
        process = subprocess.Popen([sys.executable, "manage.py", "serve"], stdout=file, stderr=file)
    try:
        deadline = time.monotonic() + _READY_SECONDS
        while "Tollgate is ready" not in output.read_text():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(output.read_text()[-4000:])
            time.sleep(0.2)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _measure(home: Path, changes: int) -> str:
    services = json.loads((home / "run" / "services.json").read_text())
    os.environ |= {"DJANGO_SETTINGS_MODULE": "config.settings", **services}
    import django  # noqa: PLC0415 - settings are read once the servers are there

    django.setup()
    from benchmarks import large_database  # noqa: PLC0415 - models load after Django is set up

    version = large_database.fill(APIS, OPERATIONS, SUBSCRIPTIONS)
    began = time.monotonic()
    _wait_until_held(home, version)
    rows = [("everything, by workers that hold little", [time.monotonic() - began])]
    for name, change in (
        ("a subscription", large_database.change_subscription),
        ("an API", large_database.change_api),
    ):
        rows.append((name, [_time_of(home, change) for _ in range(changes)]))
    return _table(rows)


def _time_of(home: Path, change: Callable[[], int]) -> float:
    version = change()
    committed = time.monotonic()
    _wait_until_held(home, version)
    time.sleep(0.3)
    return time.monotonic() - committed - 0.3


def _wait_until_held(home: Path, version: int) -> None:
    at = counters.INDEX["snapshot_version"]
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        held = [cells[at] for cells in counters.read_living_workers(home / "run" / "gateway")]
        if len(held) >= WORKERS and min(held) >= version:
            return
        time.sleep(0.005)
    raise RuntimeError(f"the workers hold {held}, not {version}")


def _table(rows: list[tuple[str, list[float]]]) -> str:
    size = f"{APIS:,} APIs of {OPERATIONS} operations, {SUBSCRIPTIONS:,} subscriptions"
    lines = [
        f"{size}, {WORKERS} workers.",
        "",
        "| what was saved | middle, ms | slowest, ms |",
        "|---|---:|---:|",
    ]
    lines += [
        f"| {name} | {statistics.median(times) * 1e3:,.0f} | {max(times) * 1e3:,.0f} |"
        for name, times in rows
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
