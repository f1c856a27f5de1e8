"""The gateway ends, and its workers are replaced, without a call that fails."""

import http.client
import signal
import socket
import ssl
import threading
import time

import h2.config
import h2.connection
import h2.events
import pytest

from tests.unit.gateway.fake_authority import AuthorityServer, eventually
from tests.unit.gateway.gateway_process import (
    Echo,
    Gateway,
    make_certificate,
    make_snapshot,
)
from wire.bearer import Prefix, mint

PATH = "/orders/v1/orders/42"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Return `start(**environ) -> (gateway, token)`."""
    authority, echo = AuthorityServer(), Echo()
    authority.publish(make_snapshot(2, echo.url))
    running = []

    def start(**environ):
        home = tmp_path_factory.mktemp("gateway")
        make_certificate(home / "tls")
        running.append(Gateway(home, authority.url, **environ).start())
        token = mint(Prefix.ACCESS_TOKEN)
        authority.live[token] = {}
        return running[-1], token

    yield start
    for gateway in running:
        if gateway.process.poll() is None:
            gateway.stop()
    echo.close()
    authority.close()


class Caller(threading.Thread):
    """Calls on one connection as long as it is kept; nothing is ever tried again."""

    def __init__(self, gateway, token):
        super().__init__(daemon=True)
        self.gateway, self.token = gateway, token
        self.calls = self.connections = 0
        self.failure = None
        self.is_over = threading.Event()

    def run(self):
        context = ssl.create_default_context(cafile=str(self.gateway.home / "tls" / "gateway.pem"))
        try:
            while not self.is_over.is_set():
                self._use(
                    http.client.HTTPSConnection("localhost", self.gateway.port, context=context)
                )
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the result
            self.failure = error

    def _use(self, connection):
        connection.connect()
        self.connections += 1
        is_kept = True
        while is_kept and not self.is_over.is_set():
            connection.request("GET", PATH, headers={"Authorization": f"Bearer {self.token}"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, answer.status
            is_kept = answer.getheader("connection") != "close"
            self.calls += 1
            time.sleep(0.002)
        connection.close()

    def end(self):
        self.is_over.set()
        self.join(20)
        if self.failure is not None:
            raise self.failure


def test_workers_are_replaced_under_load_without_a_failed_call(world):
    gateway, token = world()
    before = set(gateway.worker_pids())
    callers = [Caller(gateway, token) for _ in range(4)]
    for caller in callers:
        caller.start()

    gateway.process.send_signal(signal.SIGUSR2)

    def is_done():
        now = set(gateway.worker_pids())
        return before.isdisjoint(now) and len(now) == len(before)

    assert eventually(is_done, 60)
    time.sleep(0.2)
    for caller in callers:
        caller.end()
    assert all(caller.connections > 1 for caller in callers)  # each met the end of a worker
    assert sum(caller.calls for caller in callers) > 100
    assert gateway.admin("/-/readyz")[0] == 200


def test_readiness_goes_first_and_calls_are_served_meanwhile(world):
    gateway, token = world(TOLLGATE_GATEWAY_GRACE_SECONDS="1.5", TOLLGATE_GATEWAY_WORKERS="1")

    gateway.process.terminate()

    assert eventually(lambda: gateway.admin("/-/readyz")[0] == 503, 1)
    assert "about to end" in gateway.admin("/-/readyz")[1]
    assert gateway.admin("/-/healthz")[0] == 200
    assert gateway.get(PATH, token)[0] == 200
    assert gateway.process.wait(30) == 0


def test_idle_connection_gets_an_answer_that_says_close(world):
    gateway, token = world(TOLLGATE_GATEWAY_WORKERS="1")
    request = f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
    with gateway.connect() as connection:
        connection.sendall(request.encode())
        assert b"connection: close" not in connection.recv(65536).lower()
        gateway.process.terminate()
        time.sleep(0.3)

        connection.sendall(request.encode())
        answer = b""
        while piece := connection.recv(65536):
            answer += piece

    assert answer.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in answer.lower()
    assert gateway.process.wait(30) == 0


def test_http2_is_told_first_and_streams_on_their_way_are_served(world):
    gateway, token = world(TOLLGATE_GATEWAY_WORKERS="1")
    context = ssl.create_default_context(cafile=str(gateway.home / "tls" / "gateway.pem"))
    context.set_alpn_protocols(["h2"])
    raw = socket.create_connection(("127.0.0.1", gateway.port), timeout=20)
    with context.wrap_socket(raw, server_hostname="localhost") as connection:
        client = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        client.initiate_connection()
        connection.sendall(client.data_to_send())
        connection.recv(65536)
        gateway.process.terminate()
        frames = connection.recv(65536)
        while bytes([7]) not in frames[3:4]:
            frames = connection.recv(65536)

        headers = [
            (":method", "GET"),
            (":path", PATH),
            (":scheme", "https"),
            (":authority", "localhost"),
            ("authorization", f"Bearer {token}"),
        ]
        client.send_headers(1, headers, end_stream=True)
        connection.sendall(client.data_to_send())
        statuses = []
        while piece := connection.recv(65536):
            statuses += [
                dict(event.headers)[":status"]
                for event in client.receive_data(piece)
                if isinstance(event, h2.events.ResponseReceived)
            ]

    assert int.from_bytes(frames[9:13]) == 2**31 - 1  # no stream is ruled out yet
    assert statuses == ["200"]
    assert gateway.process.wait(30) == 0


def test_call_that_takes_longer_than_the_drain_is_cut_off_in_time(world):
    gateway, token = world(TOLLGATE_GATEWAY_WORKERS="1", TOLLGATE_GATEWAY_DRAIN_SECONDS="0.2")
    path = PATH.replace("42", "slow")
    with gateway.connect() as connection:
        head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
        connection.sendall(head.encode())
        time.sleep(0.3)
        started = time.monotonic()
        gateway.process.terminate()
        assert gateway.process.wait(30) == 0

    assert time.monotonic() - started < 10
