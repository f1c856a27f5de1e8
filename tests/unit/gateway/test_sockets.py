"""WebSockets of a gateway as processes: what the token service and SIGTERM do to them."""

import ssl
import threading
import time
from contextlib import ExitStack

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.server import serve

from tests.unit.gateway.fake_authority import AuthorityServer, eventually
from tests.unit.gateway.gateway_process import Gateway, make_certificate
from tests.unit.gateway.harness import RESOURCE
from wire.bearer import Prefix, digest, mint
from wire.gateway_snapshot import API, GatewaySnapshot, Operation, Plan, Subscription, Upstream


@pytest.fixture(scope="module")
def feed_url():
    def echo(connection):
        for message in connection:
            connection.send(message)

    server = serve(echo, "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.socket.getsockname()[1]}"
    server.shutdown()
    thread.join()


@pytest.fixture
def authority():
    server = AuthorityServer()
    yield server
    server.close()


@pytest.fixture
def gateway(feed_url, authority, tmp_path):
    home = tmp_path / "home"
    make_certificate(home / "tls")
    operation = Operation("feed", "GET", "/feed", ("orders:read",))
    authority.publish(
        GatewaySnapshot(
            version=2,
            apis=(
                API(
                    *("api", "orders", "Orders", "/orders/v1", RESOURCE, "up", (operation,)),
                    allow_websocket=True,
                ),
            ),
            upstreams=(Upstream("up", feed_url, allow_internal=True),),
            plans=(Plan("plan", "Free", ("api",)),),
            subscriptions=(Subscription("sub", "client-1", "plan"),),
        )
    )
    running = Gateway(home, authority.url).start()
    yield running
    if running.process.poll() is None:
        assert running.stop() == 0


def open_socket(stack, gateway, token):
    trust = ssl.create_default_context(cafile=str(gateway.home / "tls" / "gateway.pem"))
    # This client reads and writes in two threads. What it writes while the other reads a session
    # ticket, which TLS 1.3 sends after the handshake, is lost at times.
    trust.maximum_version = ssl.TLSVersion.TLSv1_2
    opening = connect(
        f"wss://localhost:{gateway.port}/orders/v1/feed",
        ssl=trust,
        additional_headers={"Authorization": f"Bearer {token}"},
        proxy=None,
        compression=None,
    )
    socket = stack.enter_context(opening)
    socket.send("hello")
    assert socket.recv() == "hello"
    return socket


def closed_with(socket) -> int:
    with pytest.raises(ConnectionClosed) as caught:
        socket.recv(timeout=5)
    return caught.value.rcvd.code


def test_revocation_and_sigterm_close_sockets_of_every_worker(gateway, authority):
    tokens = [mint(Prefix.ACCESS_TOKEN) for _ in range(2)]
    for token in tokens:
        authority.live[token] = {}
    with ExitStack() as stack:
        revoked, kept = ([open_socket(stack, gateway, token) for _ in range(6)] for token in tokens)
        check_ends(gateway, authority, tokens, revoked, kept)

    assert gateway.process.wait(30) == 0
    assert eventually(lambda: usage_of(authority) != (0, 0))
    calls, sent = usage_of(authority)
    assert calls == 12
    assert sent >= 12 * len("hello")


def check_ends(gateway, authority, tokens, revoked, kept):
    del authority.live[tokens[0]]
    authority.revoke(digest(tokens[0]))
    started = time.monotonic()
    codes = [closed_with(socket) for socket in revoked]
    seconds = time.monotonic() - started
    for socket in kept:
        socket.send("still here")
        assert socket.recv() == "still here"
    gateway.process.terminate()
    ends = [closed_with(socket) for socket in kept]

    assert codes == [1008] * 6
    assert seconds < 1
    assert ends == [1001] * 6


def usage_of(authority) -> tuple[int, int]:
    rows = [row for batch in authority.batches for row in batch["rows"] if row["status"] == 101]
    return sum(row["calls"] for row in rows), sum(row["request_bytes"] for row in rows)
