"""Our token service beside panva oidc-provider and stock django-oauth-toolkit.

`python -m benchmarks token-service [--seconds N]`. Compare CPU per request: it survives a noisy
machine. Core 0 runs the server, core 1 PostgreSQL and the load.
"""

import argparse
import datetime as dt
import os
import shutil
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks import measure, processes, report, token_load, token_peers
from benchmarks.token_load import Load, Run
from benchmarks.token_peers import INTROSPECT, ISSUE, PHANTOM, Peer
from config.embedded import servers

HERE = Path(__file__).parent
NEEDED = {"node": "nodejs", "wrk": "wrk", "taskset": "util-linux"}
SCENARIOS = (ISSUE, INTROSPECT, PHANTOM)
TOKENS, FEW_TOKENS = 100, 2
SLOW_SECONDS = 10


def main() -> int:
    options = _options()
    missing = _list_missing()
    if missing:
        print("\n".join(["make bench needs more for the token service:", *missing]))
        return 1
    with tempfile.TemporaryDirectory(prefix="tollgate-bench-") as folder, ExitStack() as stack:
        work = Path(folder)
        work.chmod(0o755)  # PostgreSQL runs as somebody else
        embedded = servers.start(work / "var")
        stack.callback(embedded.stop)
        postgres = embedded.processes["postgres"][1].pid
        processes.pin(measure.process_tree(postgres), processes.OTHER_CORE)
        peers = token_peers.start(stack, work, embedded.database_url, embedded.redis_url)
        rows = _run(peers, Load(work, postgres, options.connections), options)
    table = _table(rows, options)
    print(table)
    if options.write:
        text = options.write.read_text()
        options.write.write_text(report.replace_figures(text, "token service", table))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=4, help="length of one run (default 4)")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds (default 3)")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--write", type=Path, help="replace the table in this Markdown file")
    return parser.parse_known_args()[0]


def _list_missing() -> list[str]:
    lines = []
    packages = sorted({package for tool, package in NEEDED.items() if not shutil.which(tool)})
    if packages:
        lines.append("apt-get install " + " ".join(packages))
    if not (HERE / "panva" / "node_modules" / "oidc-provider").exists():
        lines.append("npm ci --prefix benchmarks/panva")
    if (os.cpu_count() or 1) < 2:
        lines.append("two cores: one serves, one loads")
    return lines


def _run(
    peers: dict[str, Peer], load: Load, options: argparse.Namespace
) -> dict[tuple[str, str], list[Run]]:
    load.prepare()
    rows: dict[tuple[str, str], list[Run]] = {}
    for turn in range(options.rounds):
        for scenario in SCENARIOS:
            for name, peer in peers.items():
                if peer.is_slow and turn:
                    continue  # its figure is far from everybody's and takes long
                if peer.knows(scenario):
                    run = _measure(peer, scenario, load, options, is_warm=turn > 0)
                    rows.setdefault((scenario, name), []).append(run)
                    _tell(turn, scenario, name, run)
    return rows


def _measure(
    peer: Peer, scenario: str, load: Load, options: argparse.Namespace, *, is_warm: bool
) -> Run:
    count = 0 if scenario == ISSUE else FEW_TOKENS if peer.is_slow else TOKENS
    tokens = [token_load.issue(peer) for _ in range(count)]
    if not (is_warm or peer.is_slow):
        load.run(peer, scenario, tokens=tokens, seconds=1)
    seconds = SLOW_SECONDS if peer.is_slow else options.seconds
    return load.run(peer, scenario, tokens=tokens, seconds=seconds)


def _tell(turn: int, scenario: str, name: str, run: Run) -> None:
    figure = run.figure
    print(
        f"  round {turn + 1} {scenario} | {name}: {figure.requests_per_second:,.0f}/s, "
        f"{figure.cpu_us:.0f} µs CPU (PostgreSQL {run.database_us:.0f}), "
        f"p99 {figure.p99_ms:.1f} ms, {figure.errors} errors",
        flush=True,
    )


def _table(rows: dict[tuple[str, str], list[Run]], options: argparse.Namespace) -> str:
    """Return the Markdown table: medians over the rounds, ratios against panva."""
    when = dt.datetime.now(dt.UTC).date()
    caption = (
        f"{options.rounds} interleaved rounds of {options.seconds} s, {options.connections} "
        f"connections, one core for the server, {when}. Medians. CPU is the server's own per "
        "request, PostgreSQL's stands beside it; the ratios are panva's CPU divided by the row's, "
        "and the row's requests per second divided by panva's."
    )
    columns = "call | server | req/s | p50 ms | p99 ms | CPU µs | PostgreSQL µs | CPU ratio"
    lines = [
        caption,
        "",
        f"| {columns} | req/s ratio | errors |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for (scenario, name), runs in rows.items():
        peer = [run.figure for run in rows[scenario, token_peers.PANVA]]
        figures = [run.figure for run in runs]
        cpu, rate = _median(figures, "cpu_us"), _median(figures, "requests_per_second")
        lines.append(
            f"| {scenario} | {name} | {rate:,.0f} | {_median(figures, 'p50_ms'):.1f} "
            f"| {_median(figures, 'p99_ms'):.1f} | {cpu:,.0f} "
            f"| {statistics.median(run.database_us for run in runs):,.0f} "
            f"| {_median(peer, 'cpu_us') / cpu:.2f} "
            f"| {rate / _median(peer, 'requests_per_second'):.2f} "
            f"| {sum(figure.errors for figure in figures)} |"
        )
    return "\n".join(lines)


def _median(figures: list[measure.Figure], name: str) -> float:
    return statistics.median(getattr(figure, name) for figure in figures)


if __name__ == "__main__":
    raise SystemExit(main())
