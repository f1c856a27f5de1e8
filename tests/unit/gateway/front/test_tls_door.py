"""A connection before TLS stands counts for its address; after that only what it became does.

And what TLS writes is counted as it leaves.
"""

import asyncio
import socket
import ssl
import struct

import pytest

from gateway.front import listener
from gateway.front.http1 import Http1Connection
from gateway.front.tls_door import TLSDoor
from tests.unit.gateway.front.conftest import read_until_closed, run_server
from tests.unit.gateway.front.whole_gateway import run_gateway
from tests.unit.gateway.gateway_process import make_certificate
from tests.unit.gateway.harness import wait_until
from tests.unit.gateway.raw_upstream import run_raw_upstream

RESET = struct.pack("ii", 1, 0)


@pytest.fixture(scope="module")
def contexts(tmp_path_factory):
    """The server's context and a client's."""
    directory = tmp_path_factory.mktemp("door") / "tls"
    certificate = make_certificate(directory)
    trust = ssl.create_default_context(cafile=str(certificate))
    trust.set_alpn_protocols(["http/1.1"])
    return listener.make_context(certificate, directory / "gateway-key.pem"), trust


async def knock(server, data: bytes = b""):
    """Return a connection whose handshake has not begun, or stands after `data`."""
    known = set(server.front.connections)
    reader, writer = await server.connect()
    writer.write(data)
    await wait_until(lambda: server.front.connections - known)
    (door,) = server.front.connections - known
    assert isinstance(door, TLSDoor)
    return reader, writer


async def shake(server, trust):
    """Return a connection on which TLS stands."""
    opened = asyncio.open_connection(
        "127.0.0.1", server.port, ssl=trust, server_hostname="localhost"
    )
    reader, writer = await opened
    server.writers.append(writer)
    return reader, writer


def first_flight(trust) -> bytes:
    """Return what a client says first."""
    out = ssl.MemoryBIO()
    tls = trust.wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return out.read()


def refused(server) -> int:
    return server.front.plane.counters.read("connections_refused")


async def test_counts_for_its_address_before_the_handshake(contexts):
    async with run_server(contexts[0], connections_per_address=2) as server:
        await knock(server)
        await knock(server, first_flight(contexts[1])[:20])

        reader, _ = await server.connect()

        assert await read_until_closed(reader) == b""
        assert refused(server) == 1
        assert len(server.front.connections) == 2


async def test_one_that_gave_up_makes_room(contexts):
    async with run_server(contexts[0], connections_per_address=1) as server:
        _, writer = await knock(server)
        writer.transport.abort()
        await wait_until(lambda: not server.front.connections)
        server.front.tick()

        await shake(server, contexts[1])

        assert refused(server) == 0


async def test_counts_once_when_tls_stands(contexts):
    async with run_server(contexts[0], connections_per_address=2) as server:
        reader, writer = await shake(server, contexts[1])
        await wait_until(lambda: [*map(type, server.front.connections)] == [Http1Connection])
        (connection,) = server.front.connections
        server.front.tick()

        await shake(server, contexts[1])
        writer.write(b"GET /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = await read_until_closed(reader)

        assert answer.startswith(b"HTTP/1.1 200 ")
        assert refused(server) == 0
        writer.close()
        await wait_until(lambda: connection not in server.front.connections)
        assert len(server.front.connections) == 1


async def test_a_handshake_that_fails_leaves_nothing(contexts):
    async with run_server(contexts[0]) as server:
        reader, writer = await knock(server)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")

        await read_until_closed(reader)

        await wait_until(lambda: not server.front.connections)


async def test_a_client_that_believes_no_certificate_leaves_nothing(contexts):
    async with run_server(contexts[0]) as server:
        with pytest.raises(ssl.SSLCertVerificationError):
            await shake(server, ssl.create_default_context())

        await wait_until(lambda: not server.front.connections)


@pytest.mark.parametrize("share", [0, 0.5, 1])
async def test_a_handshake_that_takes_too_long_leaves_nothing(contexts, share):
    async with run_server(contexts[0], handshake_seconds=0.2) as server:
        flight = first_flight(contexts[1])
        reader, _ = await knock(server, flight[: int(len(flight) * share)])

        came = await read_until_closed(reader)

        assert bool(came) == (share == 1)
        await wait_until(lambda: not server.front.connections)


@pytest.mark.parametrize("share", [0, 0.5, 1])
@pytest.mark.parametrize("way", ["close", "reset", "half"])
async def test_a_client_that_goes_in_the_middle_leaves_nothing(contexts, share, way):
    async with run_server(contexts[0]) as server:
        flight = first_flight(contexts[1])
        reader, writer = await knock(server, flight[: int(len(flight) * share)])
        if share == 1:
            await reader.read(100)  # the server has answered

        if way == "half":
            writer.write_eof()
        elif way == "close":
            writer.close()
        else:
            stream = writer.get_extra_info("socket")
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()

        await wait_until(lambda: not server.front.connections)


@pytest.mark.parametrize("end", ["abort_all", "wind_down"])
async def test_an_end_of_the_gateway_drops_what_has_not_shaken_hands(contexts, end):
    async with run_server(contexts[0]) as server:
        reader, _ = await knock(server, first_flight(contexts[1])[:50])

        getattr(server.front, end)()

        assert await read_until_closed(reader) == b""
        await wait_until(lambda: not server.front.connections)


async def test_the_clock_and_a_goodbye_let_it_be(contexts):
    async with run_server(contexts[0], head_seconds=0.0, idle_seconds=0.0) as server:
        await knock(server)

        server.front.tick()
        server.front.say_goodbye()

        assert len(server.front.connections) == 1


async def test_a_call_whose_end_waited_in_tls_is_forgotten_when_it_has_left(contexts):
    async def answer(recorded, writer):
        size = 1 if recorded.request_line.endswith("/2 HTTP/1.1") else 50_000
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size))

    stream = socket.socket()
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stream.settimeout(5)
    async with (
        run_raw_upstream() as upstream,
        run_gateway(upstream.url, contexts[0]) as gateway,
    ):
        upstream.answerer = answer
        plane = gateway.harness.plane
        await asyncio.to_thread(stream.connect, ("127.0.0.1", gateway.port))
        tls = await asyncio.to_thread(contexts[1].wrap_socket, stream, server_hostname="localhost")
        await wait_until(lambda: [*map(type, gateway.front.connections)] == [Http1Connection])
        (connection,) = gateway.front.connections
        ours = connection._outlet.get_extra_info("socket")
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        token = gateway.issue()
        for path in (b"1", b"2"):  # the first waits for the socket, the other in TLS
            request = b"GET /orders/v1/orders/%b HTTP/1.1\r\nHost: localhost\r\n" % path
            tls.sendall(request + b"Authorization: Bearer %b\r\n\r\n" % token)
        await wait_until(lambda: len(plane.leaving) == 2 and not plane.in_flight)
        assert gateway.rows == []

        found = bytearray()
        while found.count(0) < 50_001:
            found += await asyncio.to_thread(tls.recv, 65536)
        await wait_until(lambda: len(gateway.rows) == 2)

        assert gateway.harness.journal.statuses == [200, 200]
        assert not plane.leaving
        tls.close()
