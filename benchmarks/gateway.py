"""Our gateway beside nginx and nginx + Lua: `python -m benchmarks gateway [--seconds N]`.

Compare CPU per request: it survives a noisy machine, wall-clock ratios mislead.
Core 0 serves, core 1 loads.
"""

import argparse
import datetime as dt
import os
import shutil
import statistics
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import cold_token, gateway_world, measure, peers, report
from benchmarks.gateway_targets import (
    DIRECT,
    LUA,
    LUA_AUTH,
    LUA_SAME,
    OURS,
    OURS_AUTH,
    OURS_LOGGED,
    OURS_PLAIN,
    PROXY,
    Target,
    World,
    introspections_of_origin,
    nginx,
    start_targets,
    tell_origin,
)
from benchmarks.processes import free_ports
from config.embedded import servers
from gateway import native_build

HERE = Path(__file__).parent
PATH = "/orders/v1/orders/42"
CJSON = Path("/usr/share/doc/lua-cjson")
NEEDED = {"nginx": "nginx", "wrk": "wrk", "taskset": "util-linux"}


@dataclass(frozen=True)
class Scenario:
    """One kind of load, and which targets get it; the first peer's CPU time is 1.0."""

    name: str
    script: str
    targets: tuple[str, ...]
    peer: str = LUA
    path: str = PATH
    connections: int = 0  # 0: as the command line says
    environ: dict[str, str] = field(default_factory=dict)
    refuses: bool = False  # every answer is a 401, and right so


SCENARIOS = (
    Scenario("1 hot token", "hot.lua", (DIRECT, PROXY, LUA, OURS_PLAIN, OURS)),
    Scenario("10,000 tokens, 1 % misses", "many.lua", (LUA, OURS_PLAIN, OURS)),
    Scenario("1 hot token, the same work", "hot.lua", (LUA_SAME, OURS_LOGGED), LUA_SAME),
    Scenario("100 % junk tokens", "junk.lua", (LUA, OURS), refuses=True),
    Scenario(
        "1 KiB both ways",
        "body.lua",
        (LUA, OURS),
        path="/orders/v1/orders/1024",
        environ={"BENCH_BODY": "1024"},
    ),
    Scenario(
        "100 KiB both ways",
        "body.lua",
        (LUA, OURS),
        path="/orders/v1/orders/102400",
        environ={"BENCH_BODY": "102400"},
    ),
    Scenario("256 connections", "hot.lua", (LUA, OURS), connections=256),
    Scenario(
        "forward-auth",
        "forward_auth.lua",
        (LUA_AUTH, OURS_AUTH),
        LUA_AUTH,
        path="/-/forward-auth",
        environ={"BENCH_URI": PATH},
    ),
)
Rows = dict[tuple[str, str, str], list[measure.Figure]]


def main() -> int:
    """Return 0 when it could run here."""
    options = _options()
    missing = sorted({package for tool, package in NEEDED.items() if not shutil.which(tool)})
    if not (peers.MODULES / "ngx_http_lua_module.so").exists():
        missing.append("libnginx-mod-http-lua")
    if not CJSON.exists():
        missing.append("lua-cjson")
    if missing:
        print("make bench needs Debian packages: apt-get install " + " ".join(missing))
        return 1
    if (os.cpu_count() or 1) < 2:
        print("make bench needs two cores: one serves, one loads.")
        return 1
    if native_build.find_build() is None:
        print("The gateway is not compiled, so it is measured as plain Python: see make native.")
    with tempfile.TemporaryDirectory(prefix="tollgate-bench-") as folder:
        work = Path(folder)
        work.chmod(0o755)
        text = _run(work, options)
    print(text)
    if options.write:
        document = options.write.read_text()
        options.write.write_text(report.replace_figures(document, "gateway", text))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=3, help="length of one run (default 3)")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds (default 3)")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--plain-only", action="store_true", help="leave the TLS runs out")
    parser.add_argument("--write", type=Path, help="replace the table in this Markdown file")
    return parser.parse_args()


def _run(work: Path, options: argparse.Namespace) -> str:
    """Return the text for the document: tables and what stands between."""
    origin_port = free_ports(1)[0]
    gateway_world.write_tokens(work)
    gateway_world.write_certificate(work)
    (work / "snapshot.json").write_bytes(gateway_world.snapshot(origin_port).encode())
    _tell_scripts(work)
    rows: Rows = {}
    half_load: list[str] = []
    cold: list[str] = []
    with ExitStack() as stack:
        embedded = servers.start(work / "var")
        stack.callback(embedded.stop)
        values = gateway_world.canned_answers(origin_port) | {"origin": str(origin_port)}
        world = World(work, origin_port, values, embedded.redis_url)
        stack.enter_context(nginx(world, "origin", tls=False, port=origin_port))
        for tls in (False,) if options.plain_only else (False, True):
            with start_targets(world, tls=tls) as targets:
                for turn in range(options.rounds):
                    _round(rows, targets, world, options, tls=tls, turn=turn)
                half_load += _half_load(rows, targets, options, tls=tls)
                if not tls:
                    cold = [cold_token.line_of(name, targets[name], world) for name in (LUA, OURS)]
    return "\n".join([_table(rows, options), *_half_load_table(half_load), *_cold_table(cold)])


def _tell_scripts(work: Path) -> None:
    os.environ["BENCH_TOKENS"] = str(work / "tokens")
    os.environ["BENCH_JUNK"] = str(work / "junk")
    with (work / "tokens").open() as tokens:
        os.environ["BENCH_TOKEN"] = tokens.readline().strip()


def _round(
    rows: Rows,
    targets: dict[str, Target],
    world: World,
    options: argparse.Namespace,
    *,
    tls: bool,
    turn: int,
) -> None:
    transport = "TLS" if tls else "plain"
    os.environ["BENCH_FRESH_FROM"] = str(turn / options.rounds)
    for scenario in SCENARIOS:
        for name in scenario.targets:
            target = targets.get(name)
            if target is None:
                continue
            tell_origin(world.origin_port, "refuses=1" if scenario.refuses else "")
            if turn == 0:  # fill caches and pools before the first figure
                _wrk(target, scenario, 1, options)
            before = introspections_of_origin(world.origin_port)
            figure = _wrk(target, scenario, options.seconds, options)
            asked = introspections_of_origin(world.origin_port) - before
            rows.setdefault((transport, scenario.name, name), []).append(figure)
            told = f", {asked} introspections" if scenario.refuses else ""
            print(
                f"  round {turn + 1} {transport} | {scenario.name} | {name}: "
                f"{figure.requests_per_second:,.0f}/s, {figure.cpu_us:.1f} µs CPU, "
                f"{figure.errors} errors{told}",
                flush=True,
            )
            if scenario.refuses and name == OURS and asked:
                raise RuntimeError(f"{asked} junk tokens reached the token service")


def _wrk(
    target: Target, scenario: Scenario, seconds: int, options: argparse.Namespace
) -> measure.Figure:
    os.environ.update(scenario.environ)
    figure = measure.run_wrk(
        target.origin + scenario.path,
        script=HERE / scenario.script,
        seconds=seconds,
        connections=scenario.connections or options.connections,
        pids=measure.process_tree(target.pid),
    )
    return figure.with_refusals_expected() if scenario.refuses else figure


def _half_load(
    rows: Rows, targets: dict[str, Target], options: argparse.Namespace, *, tls: bool
) -> list[str]:
    """Return lines of latency at half of what our gateway can do, beside the upstream's own."""
    transport = "TLS" if tls else "plain"
    hot = rows[transport, SCENARIOS[0].name, OURS]
    capacity = statistics.median(figure.requests_per_second for figure in hot)
    connections = 64
    delay_ms = max(1, round(connections / (capacity / 2) * 1000))
    os.environ["BENCH_DELAY_MS"] = str(delay_ms)
    scenario = Scenario("half load", "paced.lua", (), connections=connections)
    names = [name for name in (DIRECT, PROXY, LUA, OURS) if name in targets]
    figures: dict[str, list[measure.Figure]] = {name: [] for name in names}
    for _ in range(options.rounds):
        for name in names:
            figures[name].append(_wrk(targets[name], scenario, options.seconds, options))
    return [
        f"| {transport} | {name} "
        f"| {statistics.median(f.requests_per_second for f in figures[name]):,.0f} "
        f"| {statistics.median(f.p50_ms for f in figures[name]):.2f} "
        f"| {statistics.median(f.p99_ms for f in figures[name]):.2f} |"
        for name in names
    ]


def _table(rows: Rows, options: argparse.Namespace) -> str:
    """Return the Markdown table: medians over the rounds, ratios against the peer."""
    when = dt.datetime.now(dt.UTC).date()
    caption = (
        f"{options.rounds} interleaved rounds of {options.seconds} s, {options.connections} "
        f"connections where nothing else is said, one core for the gateway, {when}. Medians; the "
        "ratio is nginx + Lua's CPU per request divided by the row's."
    )
    lines = [
        caption,
        "",
        "| transport | load | data plane | req/s | p50 ms | p99 ms | CPU µs | ratio | errors |",
        "|---|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    peer_of = {scenario.name: scenario.peer for scenario in SCENARIOS}
    for (transport, scenario, name), figures in rows.items():
        peer = rows[transport, scenario, peer_of[scenario]]
        cpu = statistics.median(f.cpu_us for f in figures)
        ratio = statistics.median(f.cpu_us for f in peer) / cpu if cpu else 0
        lines.append(
            f"| {transport} | {scenario} | {name} "
            f"| {statistics.median(f.requests_per_second for f in figures):,.0f} "
            f"| {statistics.median(f.p50_ms for f in figures):.2f} "
            f"| {statistics.median(f.p99_ms for f in figures):.2f} "
            f"| {cpu:.1f} | {ratio:.2f} | {sum(f.errors for f in figures)} |"
        )
    return "\n".join(lines)


def _half_load_table(lines: list[str]) -> list[str]:
    return [
        "",
        "Latency while our gateway is at half of its capacity: 64 connections, each waiting",
        "between its calls. The upstream itself speaks no TLS.",
        "",
        "| transport | data plane | req/s | p50 ms | p99 ms |",
        "|---|---|---:|---:|---:|",
        *lines,
    ]


def _cold_table(lines: list[str]) -> list[str]:
    return [
        "",
        "64 connections with one token that nobody has seen, at the same moment, while the token",
        "service takes 50 ms:",
        "",
        "| data plane | introspections | slowest answer ms |",
        "|---|---:|---:|",
        *lines,
    ]


if __name__ == "__main__":
    raise SystemExit(main())
