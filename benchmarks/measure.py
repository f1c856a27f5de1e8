"""CPU time of process trees and one run of wrk."""

import os
import re
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True)
class Figure:
    """One run: requests per second, latency in milliseconds, CPU in µs per request."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    errors: int
    requests: int = 0
    refusals: int = 0  # of `errors`: answers other than 2xx and 3xx

    def with_refusals_expected(self) -> Self:
        """Return the figure of a load that is refused, and right so: other answers are errors."""
        accepted = self.requests - self.refusals
        return replace(self, errors=self.errors - self.refusals + accepted)


def process_tree(pid: int) -> list[int]:
    """Return `pid` and every descendant that is alive now."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue  # it ended while we looked
        children.setdefault(int(fields[1]), []).append(int(entry.parent.name))
    found, queue = [], [pid]
    while queue:
        at = queue.pop()
        found.append(at)
        queue.extend(children.get(at, ()))
    return found


def cpu_seconds(pids: list[int]) -> float:
    """Return user and system time of `pids` together."""
    ticks = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue  # a helper of PostgreSQL that ended while we looked
        ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS_PER_SECOND


def run_wrk(url: str, *, script: Path, seconds: int, connections: int, pids: list[int]) -> Figure:
    """Load `url` for `seconds` from the core that the gateway does not use."""
    command = ["taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", f"-d{seconds}s"]
    command += ["--latency", "--timeout", "60s"]
    before = cpu_seconds(pids)
    output = subprocess.run(
        [*command, "-s", str(script), url], check=True, capture_output=True, text=True
    ).stdout
    used = cpu_seconds(pids) - before
    requests = int(_number(output, r"(\d+) requests in"))
    refused = sum(int(n) for n in re.findall(r"Non-2xx or 3xx responses: (\d+)", output))
    failed = refused
    failed += sum(int(n) for n in re.findall(r"(?:connect|read|write|timeout) (\d+)", output))
    return Figure(
        requests_per_second=_number(output, r"Requests/sec:\s+([\d.]+)"),
        p50_ms=_latency(output, "50%"),
        p99_ms=_latency(output, "99%"),
        cpu_us=used * 1e6 / max(requests, 1),
        errors=failed,
        requests=requests,
        refusals=refused,
    )


def _number(output: str, pattern: str) -> float:
    match = re.search(pattern, output)
    if match is None:
        raise RuntimeError(f"wrk printed nothing like {pattern}:\n{output}")
    return float(match[1])


def _latency(output: str, percentile: str) -> float:
    match = re.search(rf"{percentile}\s+([\d.]+)(us|ms|s|m)\b", output)
    if match is None:
        raise RuntimeError(f"wrk printed no {percentile}:\n{output}")
    return float(match[1]) * _MILLISECONDS[match[2]]
