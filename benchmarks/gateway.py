"""Our gateway beside nginx and nginx + Lua: `python -m benchmarks.gateway [--seconds N]`.

Compare CPU per request: it survives a noisy machine, wall-clock ratios mislead.
Core 0 serves, core 1 loads.
"""

import argparse
import datetime as dt
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import jwt as pyjwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from benchmarks import measure, peers
from config.embedded import servers
from wire import bearer
from wire.gateway_snapshot import (
    API,
    GatewaySnapshot,
    Operation,
    Plan,
    Quota,
    RateLimit,
    Subscription,
    Upstream,
)

HERE = Path(__file__).parent
PATH = "/orders/v1/orders/42"
BODY = json.dumps({"id": "42", "status": "shipped", "lines": [{"sku": "A-1", "quantity": 2}] * 4})
NEEDED = {"nginx": "nginx", "wrk": "wrk", "taskset": "util-linux"}
TOKENS = 10_000
FRESH = 200_000


def main() -> int:
    options = _options()
    missing = sorted({package for tool, package in NEEDED.items() if not shutil.which(tool)})
    if not (peers.MODULES / "ngx_http_lua_module.so").exists():
        missing.append("libnginx-mod-http-lua")
    if missing:
        print("make bench needs Debian packages: apt-get install " + " ".join(missing))
        return 1
    if (os.cpu_count() or 1) < 2:
        print("make bench needs two cores: one serves, one loads.")
        return 1
    with tempfile.TemporaryDirectory(prefix="tollgate-bench-") as folder:
        work = Path(folder)
        work.chmod(0o755)
        rows = _run(work, options)
    table = _table(rows, options)
    print(table)
    if options.write:
        options.write.write_text(_document(options.write.read_text(), table))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=4, help="length of one run (default 4)")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds (default 3)")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--plain-only", action="store_true", help="leave the TLS runs out")
    parser.add_argument("--write", type=Path, help="replace the table in this Markdown file")
    return parser.parse_args()


def _run(
    work: Path, options: argparse.Namespace
) -> dict[tuple[str, str, str], list[measure.Figure]]:
    ports = peers.Ports(*_free_ports(5))
    _write_tokens(work)
    _write_certificate(work)
    (work / "snapshot.json").write_bytes(_snapshot(ports.origin).encode())
    rows: dict[tuple[str, str, str], list[measure.Figure]] = {}
    with ExitStack() as stack:
        embedded = servers.start(work / "var")
        stack.callback(embedded.stop)
        values = _canned(ports.origin) | {"origin": str(ports.origin)}
        stack.enter_context(_nginx(work, "origin", ports.origin, values, tls=False))
        for tls in (False,) if options.plain_only else (False, True):
            with ExitStack() as transport:
                targets = _start_targets(
                    transport, work, ports, values, embedded.redis_url, tls=tls
                )
                for turn in range(options.rounds):
                    _round(rows, targets, work, options, tls=tls, turn=turn)
    return rows


def _start_targets(
    stack: ExitStack,
    work: Path,
    ports: peers.Ports,
    values: dict[str, str],
    redis_url: str,
    *,
    tls: bool,
) -> dict[str, tuple[str, int]]:
    """Start the peers and our gateway; return name -> (origin URL, pid of the serving tree)."""
    scheme = "https" if tls else "http"
    proxy = stack.enter_context(_nginx(work, "proxy", ports.proxy, values, tls=tls))
    lua = stack.enter_context(_nginx(work, "lua", ports.lua, values, tls=tls))
    ours = stack.enter_context(_gateway(work, ports, redis_url, tls=tls))
    targets = {
        "nginx proxy_pass, no swap": (f"{scheme}://127.0.0.1:{ports.proxy}", proxy),
        "nginx + Lua, token swap, limit_req": (f"{scheme}://127.0.0.1:{ports.lua}", lua),
        "Tollgate, every stage": (f"{scheme}://127.0.0.1:{ports.gateway}", ours),
    }
    if not tls:
        origin_pid = int((work / "origin.pid").read_text())
        targets = {"upstream, direct": (f"http://127.0.0.1:{ports.origin}", origin_pid)} | targets
    return targets


def _round(
    rows: dict[tuple[str, str, str], list[measure.Figure]],
    targets: dict[str, tuple[str, int]],
    work: Path,
    options: argparse.Namespace,
    *,
    tls: bool,
    turn: int,
) -> None:
    os.environ["BENCH_TOKENS"] = str(work / "tokens")
    with (work / "tokens").open() as tokens:
        os.environ["BENCH_TOKEN"] = tokens.readline().strip()
    for scenario, script in (("1 hot token", "hot.lua"), ("10,000 tokens, 1 % misses", "many.lua")):
        for name, (origin, pid) in targets.items():
            if script == "many.lua" and name.startswith(("upstream", "nginx proxy")):
                continue
            os.environ["BENCH_FRESH_FROM"] = str(turn / options.rounds)
            if turn == 0:  # fill caches and pools before the first figure
                _wrk(origin, script, 2, options, pid)
            figure = _wrk(origin, script, options.seconds, options, pid)
            transport = "TLS" if tls else "plain"
            rows.setdefault((transport, scenario, name), []).append(figure)
            print(
                f"  round {turn + 1} {transport} | {scenario} | {name}: "
                f"{figure.requests_per_second:,.0f}/s, {figure.cpu_us:.1f} µs CPU, "
                f"{figure.errors} errors",
                flush=True,
            )


def _wrk(
    origin: str, script: str, seconds: int, options: argparse.Namespace, pid: int
) -> measure.Figure:
    return measure.run_wrk(
        origin + PATH,
        script=HERE / script,
        seconds=seconds,
        connections=options.connections,
        pids=measure.process_tree(pid),
    )


@contextmanager
def _nginx(work: Path, kind: str, port: int, values: dict[str, str], *, tls: bool) -> Iterator[int]:
    """Run nginx and yield the pid of its master."""
    configuration = peers.render(kind, work=work, port=port, values=values, tls=tls)
    process = subprocess.Popen(
        ["nginx", "-c", str(configuration), "-g", "daemon off;"], stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(port, process)
        yield process.pid
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def _gateway(work: Path, ports: peers.Ports, redis_url: str, *, tls: bool) -> Iterator[int]:
    """Run our gateway with one worker on core 0 and yield its pid."""
    environment = os.environ | {
        "TOLLGATE_HOME": str(work / "var"),
        "TOLLGATE_ISSUER": f"http://127.0.0.1:{ports.origin}",
        "TOLLGATE_GATEWAY_PORT": str(ports.gateway),
        "TOLLGATE_GATEWAY_ADMIN_PORT": str(ports.gateway_admin),
        "TOLLGATE_GATEWAY_WORKERS": "1",
        "TOLLGATE_GATEWAY_TLS": "on" if tls else "off",
        "TOLLGATE_GATEWAY_CERT": str(work / "cert.pem"),
        "TOLLGATE_GATEWAY_KEY": str(work / "key.pem"),
        "TOLLGATE_GATEWAY_CLIENT_SECRET": "bench",
        "REDIS_URL": redis_url,
    }
    command = ["taskset", "-c", "0", sys.executable, "-m", "gateway"]
    with (work / "gateway.log").open("a") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        _wait_for(ports.gateway, process)
        _wait_ready(ports.gateway_admin, process)
        yield process.pid
    except RuntimeError:
        sys.stderr.write((work / "gateway.log").read_text()[-4000:])
        raise
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        if process.poll() is not None:
            raise RuntimeError(f"{process.args} ended with {process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError(f"nothing listens on {port}")


def _wait_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        if process.poll() is not None:
            raise RuntimeError(f"{process.args} ended with {process.returncode}")
        with suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/-/readyz", timeout=2)
            return
        time.sleep(0.1)
    raise RuntimeError("the gateway did not become ready")


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _write_tokens(work: Path) -> None:
    prefix = bearer.Prefix.ACCESS_TOKEN
    (work / "tokens").write_text("\n".join(bearer.mint(prefix) for _ in range(TOKENS + FRESH)))


def _canned(origin_port: int) -> dict[str, str]:
    """Return what the canned token service answers; the JWT is real, its key is thrown away."""
    issuer = f"http://127.0.0.1:{origin_port}"
    now = int(time.time())
    claims = {
        "iss": issuer,
        "sub": "bench-client",
        "aud": f"{issuer}/orders/v1",
        "client_id": "bench-client",
        "scope": "orders:read",
        "iat": now,
        "exp": now + 7200,
        "jti": "0190a0b0-0000-7000-8000-000000000000",
    }
    key = ec.generate_private_key(ec.SECP256R1())
    discovery = {
        "issuer": issuer,
        "token_endpoint": f"{issuer}/oauth/token",
        "introspection_endpoint": f"{issuer}/oauth/introspect",
        "jwks_uri": f"{issuer}/oauth/jwks",
    }
    return {
        "body": BODY,
        "discovery": json.dumps(discovery),
        "control_token": bearer.mint(bearer.Prefix.ACCESS_TOKEN),
        "jwt": pyjwt.encode(
            claims, key, algorithm="ES256", headers={"typ": "at+jwt", "kid": "bench"}
        ),
    }


def _snapshot(origin_port: int) -> GatewaySnapshot:
    """One API with limits that are enforced but never reached."""
    origin = f"http://127.0.0.1:{origin_port}"
    operations = (
        Operation("list_orders", "GET", "/orders", ("orders:read",)),
        Operation("get_order", "GET", "/orders/{order_id}", ("orders:read",)),
        Operation("create_order", "POST", "/orders", ("orders:write",)),
    )
    return GatewaySnapshot(
        version=1,
        apis=(
            API("api", "orders", "Orders", "/orders/v1", f"{origin}/orders/v1", "up", operations),
        ),
        upstreams=(Upstream("up", origin, allow_internal=True),),
        plans=(
            Plan("plan", "Bench", ("api",), RateLimit(10_000_000, 1, 1_000_000), Quota(10**12)),
        ),
        subscriptions=(Subscription("subscription", "bench-client", "plan"),),
    )


def _write_certificate(work: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (work / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (work / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def _table(
    rows: dict[tuple[str, str, str], list[measure.Figure]], options: argparse.Namespace
) -> str:
    """Return the Markdown table: medians over the rounds, ratios against nginx + Lua."""
    when = dt.datetime.now(dt.UTC).date()
    caption = (
        f"{options.rounds} interleaved rounds of {options.seconds} s, {options.connections} "
        f"connections, one core for the gateway, {when}. Medians; the ratio is nginx + Lua's CPU "
        "per request divided by the row's."
    )
    lines = [
        caption,
        "",
        "| transport | tokens | data plane | req/s | p50 ms | p99 ms | CPU µs | ratio | errors |",
        "|---|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for (transport, scenario, name), figures in rows.items():
        peer = rows[(transport, scenario, "nginx + Lua, token swap, limit_req")]
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


def _document(text: str, table: str) -> str:
    start, end = "<!-- gateway figures -->", "<!-- end -->"
    before, rest = text.split(start, 1)
    return f"{before}{start}\n{table}\n{end}{rest.split(end, 1)[1]}"


if __name__ == "__main__":
    raise SystemExit(main())
