"""Whether ten million access tokens slow issuing and introspection down.

`python -m benchmarks token-tables [--rows N]`: two databases of one PostgreSQL, one empty and one
full, each behind a web role of its own; rounds alternate. It takes a few minutes and a few GB of
the folder for temporary files (TMPDIR).
"""

import argparse
import datetime as dt
import random
import shutil
import statistics
import sys
import tempfile
import time
import urllib.parse
from contextlib import ExitStack
from pathlib import Path

import psycopg

from benchmarks import measure, processes, report, token_load, token_peers
from benchmarks.token_load import Load, Run
from benchmarks.token_peers import INTROSPECT, ISSUE, Peer
from config.embedded import servers
from wire import bearer

EMPTY, FULL = "empty", "full"
SCENARIOS = (ISSUE, INTROSPECT)
# Of the full table: more than its hot pages; of the empty one: what was issued a moment ago.
KNOWN, FEW = 50_000, 1_000
_BYTES_PER_ROW = 800  # with indexes, sorting and the write-ahead log, generously
# The rows live longer than the benchmark takes, in the partitions of the next hours.
_COPY_KNOWN = "COPY known (digest) FROM STDIN"
_FILL = """
INSERT INTO ims_accesstoken (digest, id, client_id, scopes, resources, dpop_jkt,
                             issued_at, expires_at)
SELECT one.digest, gen_random_uuid(), client.id, %(scopes)s, %(resources)s, '', now(), one.end
  FROM (SELECT digest, now() + interval '30 minutes' + random() * interval '2 hours' AS end
          FROM (SELECT sha256(number::text::bytea) AS digest
                  FROM generate_series(1, %(rows)s) AS number
                 UNION ALL SELECT digest FROM known) AS digests
         ORDER BY digest) AS one,
       ims_client AS client
 WHERE client.client_id = %(client)s
"""


def main() -> int:
    options = _options()
    missing = [tool for tool in ("wrk", "taskset") if not shutil.which(tool)]
    needed = options.rows * _BYTES_PER_ROW
    if missing:
        print("token-tables needs Debian packages: apt-get install wrk util-linux")
        return 1
    if shutil.disk_usage(tempfile.gettempdir()).free < needed:
        print(f"token-tables needs {needed / 1e9:.0f} GB in {tempfile.gettempdir()}: set TMPDIR.")
        return 1
    with tempfile.TemporaryDirectory(prefix="tollgate-bench-") as folder, ExitStack() as stack:
        work = Path(folder)
        work.chmod(0o755)  # PostgreSQL runs as somebody else
        rows, size = _run(stack, work, options)
    table = _table(rows, size, options)
    print(table)
    if options.write:
        text = options.write.read_text()
        options.write.write_text(report.replace_figures(text, "token table", table))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--seconds", type=int, default=5, help="length of one run (default 5)")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (default 5)")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--write", type=Path, help="replace the table in this Markdown file")
    return parser.parse_args()


def _run(
    stack: ExitStack, work: Path, options: argparse.Namespace
) -> tuple[dict[tuple[str, str], list[Run]], str]:
    token_peers.write_secret(work)
    embedded = servers.start(work / "servers")
    stack.callback(embedded.stop)
    postgres = embedded.processes["postgres"][1].pid
    urls = {name: _create_database(embedded.database_url, name) for name in (EMPTY, FULL)}
    peers = {
        name: token_peers.start_ours(
            stack, work, {"DATABASE_URL": url, "REDIS_URL": embedded.redis_url}, home=name
        )
        for name, url in urls.items()
    }
    tokens = {EMPTY: [], FULL: [bearer.mint(bearer.Prefix.ACCESS_TOKEN) for _ in range(KNOWN)]}
    size = _fill(urls[FULL], tokens[FULL], options.rows)
    processes.pin(measure.process_tree(postgres), processes.OTHER_CORE)
    load = Load(work, postgres, options.connections)
    load.prepare()
    tokens[EMPTY] = [token_load.issue(peers[EMPTY]) for _ in range(FEW)]
    for scenario in SCENARIOS:  # connections, plans and pages before the first figure
        for name, peer in peers.items():
            _ask(load, peer, scenario, tokens[name], 2)
    rows: dict[tuple[str, str], list[Run]] = {}
    for turn in range(options.rounds):
        for scenario in SCENARIOS:
            for name, peer in peers.items():
                run = _ask(load, peer, scenario, tokens[name], options.seconds)
                rows.setdefault((scenario, name), []).append(run)
                print(f"  round {turn + 1} {scenario} | {name}: {_describe(run)}", flush=True)
    return rows, size


def _ask(load: Load, peer: Peer, scenario: str, tokens: list[str], seconds: int) -> Run:
    asked = [] if scenario == ISSUE else random.sample(tokens, len(tokens))
    return load.run(peer, scenario, tokens=asked, seconds=seconds)


def _create_database(url: str, name: str) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}_tokens")
    return urllib.parse.urlsplit(url)._replace(path=f"/{name}_tokens").geturl()


def _fill(url: str, tokens: list[str], rows: int) -> str:
    """Insert `rows` random tokens with `tokens` among them; return the table's size in words."""
    began = time.monotonic()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TEMP TABLE known (digest bytea)")
        with connection.cursor() as cursor, cursor.copy(_COPY_KNOWN) as copy:
            for token in tokens:
                copy.write_row([bearer.digest(token)])
        connection.execute("SET work_mem TO '512MB'")
        connection.execute(
            _FILL,
            {
                "scopes": [token_peers.SCOPE],
                "resources": [token_peers.RESOURCE],
                "rows": rows,
                "client": token_peers.CLIENT_ID,
            },
        )
        connection.execute("VACUUM (ANALYZE) ims_accesstoken")
        connection.execute("CHECKPOINT")
        [size, count] = connection.execute(
            "SELECT pg_size_pretty(sum(pg_total_relation_size(inhrelid))), count(*)"
            " FROM pg_inherits WHERE inhparent = 'ims_accesstoken'::regclass"
        ).fetchone() or ("", 0)
    took = time.monotonic() - began
    sys.stderr.write(f"{rows:,} rows in {took:.0f} s, {size} in {count} partitions\n")
    return str(size)


def _describe(run: Run) -> str:
    figure = run.figure
    return (
        f"{figure.requests_per_second:,.0f}/s, p50 {figure.p50_ms:.1f} ms, {figure.cpu_us:.0f} µs"
        f" CPU and PostgreSQL {run.database_us:.0f}, {figure.errors} errors"
    )


def _table(rows: dict[tuple[str, str], list[Run]], size: str, options: argparse.Namespace) -> str:
    when = dt.datetime.now(dt.UTC).date()
    caption = (
        f"{options.rows:,} live rows ({size} with indexes) beside an empty table of the same"
        f" PostgreSQL, {options.rounds} interleaved rounds of {options.seconds} s,"
        f" {options.connections} connections, {when}. Medians; CPU is the server's and"
        " PostgreSQL's together, per request."
    )
    lines = [
        caption,
        "",
        "| call | table | req/s | p50 ms | p99 ms | CPU µs | time ratio | CPU ratio | errors |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for (scenario, name), runs in rows.items():
        base = rows[scenario, EMPTY]
        lines.append(
            f"| {scenario} | {name} | {_median(runs, 'requests_per_second'):,.0f} "
            f"| {_median(runs, 'p50_ms'):.2f} | {_median(runs, 'p99_ms'):.2f} "
            f"| {_cpu(runs):,.0f} | {_median(runs, 'p50_ms') / _median(base, 'p50_ms'):.2f} "
            f"| {_cpu(runs) / _cpu(base):.2f} | {sum(run.figure.errors for run in runs)} |"
        )
    return "\n".join(lines)


def _cpu(runs: list[Run]) -> float:
    return statistics.median(run.figure.cpu_us + run.database_us for run in runs)


def _median(runs: list[Run], name: str) -> float:
    return statistics.median(getattr(run.figure, name) for run in runs)


if __name__ == "__main__":
    raise SystemExit(main())
