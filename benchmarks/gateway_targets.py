"""The processes of the gateway benchmark: nginx as origin and as peers, and our gateway."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks import peers
from benchmarks.processes import free_ports, wait_for
from gateway import native_build

DIRECT = "upstream, direct"
PROXY = "nginx proxy_pass, no swap"
LUA = "nginx + Lua, token swap, limit_req"
LUA_SAME = "nginx + Lua, the same work"
LUA_AUTH = "nginx + Lua, asked by a proxy"
OURS = "Tollgate, every stage"
OURS_PLAIN = "Tollgate, every stage, not compiled"
OURS_LOGGED = "Tollgate, every stage and access log"
OURS_AUTH = "Tollgate, asked by a proxy"


@dataclass(frozen=True)
class World:
    """What every process is told."""

    work: Path
    origin_port: int
    values: dict[str, str]
    redis_url: str


@dataclass(frozen=True)
class Target:
    """Where to call and whose CPU time counts."""

    origin: str
    pid: int
    forward_auth_port: int = 0


@contextmanager
def start_targets(world: World, *, tls: bool) -> Iterator[dict[str, Target]]:
    """Start the peers and our gateways, all on the serving core."""
    with ExitStack() as stack:
        targets = {}
        for name, kind in ((PROXY, "proxy"), (LUA, "lua"), (LUA_SAME, "lua-same")):
            targets[name] = stack.enter_context(nginx(world, kind, tls=tls))
        compiled = native_build.find_build() is not None
        kinds = [(OURS, "auto", False), (OURS_LOGGED, "auto", True)]
        if compiled:
            kinds.append((OURS_PLAIN, "off", False))
        for name, native, logs in kinds:
            targets[name] = stack.enter_context(gateway(world, native=native, logs=logs, tls=tls))
        if not tls:
            origin = f"http://127.0.0.1:{world.origin_port}"
            pid = int((world.work / "origin.pid").read_text())
            targets[DIRECT] = Target(origin, pid)
            targets[LUA_AUTH] = stack.enter_context(nginx(world, "lua-auth", tls=False))
            asked = targets[OURS]  # its private port speaks no TLS
            targets[OURS_AUTH] = Target(f"http://127.0.0.1:{asked.forward_auth_port}", asked.pid)
        yield targets


@contextmanager
def nginx(world: World, kind: str, *, tls: bool, port: int = 0) -> Iterator[Target]:
    """Run one nginx."""
    port = port or free_ports(1)[0]
    configuration = peers.render(kind, work=world.work, port=port, values=world.values, tls=tls)
    process = subprocess.Popen(
        ["nginx", "-c", str(configuration), "-g", "daemon off;"], stderr=subprocess.DEVNULL
    )
    try:
        wait_for(port, process)
        yield Target(f"{'https' if tls else 'http'}://127.0.0.1:{port}", process.pid)
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def gateway(world: World, *, native: str, logs: bool, tls: bool) -> Iterator[Target]:
    """Run our gateway with one worker."""
    port, admin_port, forward_auth_port = free_ports(3)
    name = f"gateway-{native}{'-logged' if logs else ''}{'-tls' if tls else ''}"
    environment = os.environ | {
        "TOLLGATE_HOME": str(world.work / name),
        "TOLLGATE_ISSUER": f"http://127.0.0.1:{world.origin_port}",
        "TOLLGATE_GATEWAY_PORT": str(port),
        "TOLLGATE_GATEWAY_ADMIN_PORT": str(admin_port),
        "TOLLGATE_GATEWAY_FORWARD_AUTH_PORT": str(forward_auth_port),
        "TOLLGATE_GATEWAY_WORKERS": "1",
        "TOLLGATE_GATEWAY_TLS": "on" if tls else "off",
        "TOLLGATE_GATEWAY_CERT": str(world.work / "cert.pem"),
        "TOLLGATE_GATEWAY_KEY": str(world.work / "key.pem"),
        "TOLLGATE_GATEWAY_CLIENT_SECRET": "bench",
        "TOLLGATE_GATEWAY_NATIVE": native,
        "TOLLGATE_GATEWAY_ACCESS_LOG": str(world.work / f"{name}.jsonl") if logs else "",
        "REDIS_URL": world.redis_url,
    }
    command = ["taskset", "-c", "0", sys.executable, "-m", "gateway"]
    log_path = world.work / f"{name}.log"
    with log_path.open("a") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        wait_for(port, process)
        _wait_ready(admin_port, process)
        origin = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        yield Target(origin, process.pid, forward_auth_port)
    except RuntimeError:
        sys.stderr.write(log_path.read_text()[-4000:])
        raise
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def tell_origin(origin_port: int, query: str = "") -> None:
    """Let the canned token service take `delay` seconds, or refuse all (`refuses`); or neither."""
    urllib.request.urlopen(f"http://127.0.0.1:{origin_port}/behave?{query}").close()


def introspections_of_origin(origin_port: int) -> int:
    """Return how often the canned token service was asked so far."""
    with urllib.request.urlopen(f"http://127.0.0.1:{origin_port}/introspections") as answer:
        return int(answer.read())


def _wait_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        if process.poll() is not None:
            raise RuntimeError(f"{process.args} ended with {process.returncode}")
        with suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/-/readyz", timeout=2)
            return
        time.sleep(0.1)
    raise RuntimeError("the gateway did not become ready")
