"""Bodies much larger than a worker's memory may become, and streams that do not end.

256 MiB each way over HTTP/1.1, and 64 MiB over HTTP/2, whose frames Python reads more slowly;
`TOLLGATE_TEST_BODY_MIB=1024` sends a whole GiB with both (`make faults` does).
"""

import os
import re
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from tests.unit.gateway.fake_authority import AuthorityServer
from tests.unit.gateway.gateway_process import Gateway, make_certificate
from wire.bearer import Prefix, mint
from wire.gateway_snapshot import API, GatewaySnapshot, Operation, Plan, Subscription, Upstream

MIB = 1024 * 1024
LONG = int(os.environ.get("TOLLGATE_TEST_BODY_MIB", "0"))
SIZES = {"--http1.1": LONG or 256, "--http2": LONG or 64}  # MiB
MAY_GROW = 24 * MIB
RESOURCE = "https://api.test/files"


class Warehouse:
    """An upstream that takes any body, gives out any amount, and tells the time in events."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.taken: list[int] = []
        self.next_event = threading.Event()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as reader:
            while line := reader.readline():
                path = line.split()[1].decode()
                fields = {}
                while (field := reader.readline()) != b"\r\n":
                    name, _, value = field.partition(b":")
                    fields[name.lower()] = value.strip()
                self._take(reader, fields)
                self._give(connection, path)

    def _take(self, reader, fields) -> None:
        left = int(fields.get(b"content-length", 0))
        self.taken.append(left)
        while left:
            left -= len(reader.read(min(left, MIB)))

    def _give(self, connection: socket.socket, path: str) -> None:
        if path == "/events":
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n")
            connection.sendall(b"Transfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n")
            self.next_event.wait(20)
            connection.sendall(b"9\r\ndata: 2\n\n\r\n0\r\n\r\n")
            return
        size = int(path.rpartition("/")[2]) * MIB
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        block = b"x" * MIB
        for _ in range(size // MIB):
            connection.sendall(block)


@pytest.fixture(scope="module")
def warehouse():
    running = Warehouse()
    yield running
    running.close()


@pytest.fixture(scope="module")
def gateway(warehouse, tmp_path_factory):
    home = tmp_path_factory.mktemp("gateway")
    make_certificate(home / "tls")
    authority = AuthorityServer()
    operations = (
        Operation("get", "GET", "/files/{mib}", ()),
        Operation("put", "PUT", "/files/{mib}", ()),
        Operation("events", "GET", "/events", ()),
    )
    api = API("api", "files", "Files", "/v1", RESOURCE, "up", operations, max_body_bytes=2**40)
    authority.publish(
        GatewaySnapshot(
            version=2,
            apis=(api,),
            upstreams=(Upstream("up", warehouse.url, allow_internal=True),),
            plans=(Plan("plan", "Free", ("api",)),),
            subscriptions=(Subscription("sub", "client-1", "plan"),),
        )
    )
    running = Gateway(home, authority.url, TOLLGATE_GATEWAY_WORKERS="1").start()
    running.token = mint(Prefix.ACCESS_TOKEN)
    authority.live[running.token] = {"aud": RESOURCE}
    yield running
    assert running.stop() == 0
    authority.close()


def curl(gateway: Gateway, path: str, *arguments: str, **settings) -> subprocess.Popen:
    return subprocess.Popen(
        [
            "curl",
            "--silent",
            "--show-error",
            "--no-buffer",
            *("--cacert", str(gateway.home / "tls" / "gateway.pem")),
            *("--header", f"Authorization: Bearer {gateway.token}"),
            *arguments,
            f"https://localhost:{gateway.port}/v1{path}",
        ],
        stdout=subprocess.PIPE,
        **settings,
    )


class Memory:
    """The most memory that the worker had since the start of this."""

    def __init__(self, gateway: Gateway) -> None:
        (pid,) = gateway.worker_pids()
        self._process = Path(f"/proc/{pid}")
        (self._process / "clear_refs").write_text("5")  # the peak begins anew
        self._before = self._peak()

    def grown(self) -> int:
        return self._peak() - self._before

    def _peak(self) -> int:
        status = (self._process / "status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024


@pytest.mark.parametrize("version", SIZES)
def test_a_large_answer_takes_constant_memory(gateway, version):
    memory = Memory(gateway)

    with curl(gateway, f"/files/{SIZES[version]}", version) as client:
        size = 0
        while piece := client.stdout.read(MIB):
            size += len(piece)

    assert client.returncode == 0
    assert size == SIZES[version] * MIB
    assert memory.grown() < MAY_GROW


@pytest.mark.parametrize("version", SIZES)
def test_a_large_request_takes_constant_memory(gateway, warehouse, version, tmp_path):
    body = tmp_path / "body"
    with body.open("wb") as file:
        file.truncate(SIZES[version] * MIB)
    memory = Memory(gateway)

    with curl(gateway, "/files/1", version, "--upload-file", str(body)) as client:
        answer = client.stdout.read()

    assert client.returncode == 0
    assert len(answer) == MIB
    assert warehouse.taken[-1] == SIZES[version] * MIB
    assert memory.grown() < MAY_GROW


@pytest.mark.parametrize("version", SIZES)
def test_an_event_arrives_before_the_next_is_made(gateway, warehouse, version):
    warehouse.next_event.clear()

    with curl(gateway, "/events", version) as client:
        first = os.read(client.stdout.fileno(), 100)
        warehouse.next_event.set()
        rest = client.stdout.read()

    assert first == b"data: 1\n\n"
    assert rest == b"data: 2\n\n"
    assert client.returncode == 0
