"""What a client does not take waits in sight, counts when it leaves, and leaks nothing."""

import asyncio
import socket
import ssl
import struct
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from h2 import events

from gateway.dataplane.pipeline import CHECKS, serve_call
from gateway.front import listener
from gateway.front.departures import Departures
from gateway.front.http1 import Http1Connection
from gateway.front.http2 import Http2Connection
from gateway.front.limits import Limits
from gateway.front.outlet import Outlet
from gateway.front.shared import Front
from tests.unit.gateway.front.conftest import run_server
from tests.unit.gateway.front.sockets import begin, run_gateway, switching_then
from tests.unit.gateway.front.test_http2 import Client
from tests.unit.gateway.front.test_metering import REQUEST, until
from tests.unit.gateway.gateway_process import make_certificate
from tests.unit.gateway.raw_upstream import run_raw_upstream

BODY = bytes(range(256)) * 200  # less than is sent apart, more than the sockets below keep
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
LAST = REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
RESET = struct.pack("ii", 1, 0)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls") / "tls")


class SlowClient:
    """A client that reads what it is told to, over a socket that keeps little."""

    def __init__(self, port, trust=None):
        self.port = port
        self.loop = asyncio.get_running_loop()
        self.raw = socket.socket()
        self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.raw.setblocking(False)
        self.tls = None
        if trust is not None:
            self.come, self.go = ssl.MemoryBIO(), ssl.MemoryBIO()
            self.tls = trust.wrap_bio(self.come, self.go, server_hostname="localhost")

    async def open(self):
        await self.loop.sock_connect(self.raw, ("127.0.0.1", self.port))
        if self.tls is not None:
            await self._pump(self.tls.do_handshake)
        return self

    async def send(self, data):
        if self.tls is None:
            await self.loop.sock_sendall(self.raw, data)
        else:
            await self._pump(partial(self.tls.write, data))

    async def read(self, size):
        """Return up to `size` bytes; b"" when the server has closed."""
        if self.tls is None:
            return await self.loop.sock_recv(self.raw, size)
        try:
            return await self._pump(partial(self.tls.read, size))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    async def read_all(self, count):
        found = b""
        async with asyncio.timeout(20):
            while len(found) < count and (piece := await self.read(2048)):
                found += piece
        return found

    async def read_answers(self, count):
        """Return the bodies of `count` answers, each with a BODY."""
        bodies = []
        rest = b""
        while len(bodies) < count:
            while len(rest.partition(b"\r\n\r\n")[2]) < len(BODY):
                piece = await self.read_all(1)
                assert piece, rest
                rest += piece
            rest = rest.partition(b"\r\n\r\n")[2]
            bodies.append(rest[: len(BODY)])
            rest = rest[len(BODY) :]
        return bodies

    def reset(self):
        self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.raw.close()

    async def _pump(self, action):
        while True:
            try:
                done = action()
            except ssl.SSLWantReadError:
                done = None
            if out := self.go.read():
                await self.loop.sock_sendall(self.raw, out)
            if done is not None or (self.tls.version() and action == self.tls.do_handshake):
                return done
            come = await self.loop.sock_recv(self.raw, 2048)
            self.come.write(come) if come else self.come.write_eof()


@asynccontextmanager
async def run_front(gateway, serve=None, context=None, **limits):
    """Yield a front whose sockets keep little, and its port."""
    scheme = "https" if context else "http"
    serve = serve or partial(serve_call, gateway.plane)
    front = Front(gateway.plane, serve, scheme=scheme, limits=Limits(**limits))
    listening = listener.open_socket("127.0.0.1", 0)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    accepting = await listener.listen(front, listening, context)
    clock = asyncio.create_task(front.run())
    try:
        yield front, listening.getsockname()[1]
    finally:
        clock.cancel()
        accepting.close()
        front.abort_all()
        await until(lambda: not front.connections)


@pytest.fixture(params=["plain", "TLS"])
def contexts(request, certificate):
    """The server's TLS context and the client's; None where there is no TLS."""
    if request.param == "plain":
        return None, None
    trust = ssl.create_default_context(cafile=str(certificate))
    trust.set_alpn_protocols(["http/1.1"])
    return listener.make_context(certificate, certificate.parent / "gateway-key.pem"), trust


def open_descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


async def ask_and_wait(gateway, port, trust, request=REQUEST):
    """Return a client whose answer waits for it, with the call over but for its last bytes."""
    client = await SlowClient(port, trust).open()
    await client.send(request % gateway.authority.issue())
    await until(lambda: gateway.plane.leaving and not gateway.plane.in_flight)
    return client


async def test_a_call_is_counted_once_when_its_last_bytes_leave(gateway, upstream, contexts):
    upstream.answer = ANSWER
    async with run_front(gateway, context=contexts[0]) as (_, port):
        client = await ask_and_wait(gateway, port, contexts[1])
        part = await client.read_all(len(BODY) // 4)
        await asyncio.sleep(0.05)

        assert gateway.journal.rows == []
        assert len(gateway.plane.leaving) == 1
        while not part.endswith(BODY):
            part += await client.read_all(1)
        await until(lambda: not gateway.plane.leaving)
        client.reset()

    assert gateway.journal.statuses == [200]


async def test_bytes_come_whole_and_in_order(gateway, upstream, contexts):
    upstream.answer = ANSWER
    async with run_front(gateway, context=contexts[0]) as (_, port):
        client = await SlowClient(port, contexts[1]).open()
        await client.send(b"".join(REQUEST % gateway.authority.issue() for _ in range(3)))
        await asyncio.sleep(0.1)

        bodies = await client.read_answers(3)
        await until(lambda: len(gateway.journal.rows) == 3)
        client.reset()

    assert bodies == [BODY] * 3
    assert gateway.journal.statuses == [200] * 3


async def test_what_waits_is_sent_before_the_connection_closes(gateway, upstream, contexts):
    upstream.answer = ANSWER
    async with run_front(gateway, context=contexts[0]) as (_, port):
        client = await ask_and_wait(gateway, port, contexts[1], LAST)
        await asyncio.sleep(0.1)

        found = await client.read_all(1_000_000)

        assert found.endswith(BODY)
        assert await client.read(1) == b""
        assert gateway.journal.statuses == [200]
        client.raw.close()


async def test_a_client_that_closes_its_side_still_gets_what_waits(gateway, upstream, contexts):
    upstream.answer = ANSWER
    async with run_front(gateway, context=contexts[0]) as (front, port):
        client = await ask_and_wait(gateway, port, contexts[1])
        client.raw.shutdown(socket.SHUT_WR)
        await asyncio.sleep(0.1)

        found = await client.read_all(1_000_000)

        assert found.endswith(BODY)
        await until(lambda: not front.connections)
        client.raw.close()

    assert gateway.journal.statuses == [200]


async def test_an_http2_client_that_closes_its_side_still_gets_what_waits(gateway, upstream):
    upstream.answer = ANSWER
    async with run_front(gateway) as (front, port):
        raw = (await SlowClient(port).open()).raw
        client = Client(*await asyncio.open_connection(sock=raw, limit=2048))
        client.request(
            (b"authorization", b"Bearer " + gateway.authority.issue()),
            path=b"/orders/v1/orders/42",
            authority=b"gateway.test",
        )
        await until(lambda: gateway.plane.in_flight or gateway.plane.leaving)
        await asyncio.sleep(0.2)
        client.writer.write_eof()

        data = b""
        async with asyncio.timeout(20):
            while piece := await client.reader.read(2048):
                data += piece
        found = [e.data for e in client.h2.receive_data(data) if isinstance(e, events.DataReceived)]
        client.writer.transport.abort()
        await until(lambda: not front.connections)

    assert b"".join(found) == BODY
    assert gateway.journal.statuses == [200]


class Deaf(asyncio.Transport):
    """TLS in the moment after its connection was lost."""

    def write(self, data):
        pass


async def test_no_call_is_forgotten_for_the_next(gateway):
    async def end_twice(plane, call):
        if not outlets:
            outlets.append(call.inbound._connection._outlet)
            outlets[0].write(bytes(400_000))
        call.status = 200
        outlets[0].write_last(Deaf(), b"last", call)
        await asyncio.sleep(1)

    outlets = []
    serve = partial(serve_call, gateway.plane, taken=(*CHECKS, end_twice))
    async with run_front(gateway, serve) as (_, port):
        clients = [await SlowClient(port).open() for _ in range(2)]
        for client in clients:
            await client.send(REQUEST % gateway.authority.issue())
        await until(lambda: gateway.journal.rows)
        assert len(gateway.plane.leaving) == 1
        for client in clients:
            client.reset()
        await until(lambda: not gateway.plane.leaving)

    assert gateway.journal.statuses == [200] * 2


@pytest.mark.parametrize("leave", ["reset", "close"])
async def test_a_client_that_goes_leaves_nothing_behind(gateway, upstream, contexts, leave):
    upstream.answer = ANSWER
    async with run_front(gateway, context=contexts[0]) as (front, port):
        before = open_descriptors()
        for _ in range(3):
            client = await ask_and_wait(gateway, port, contexts[1])
            client.reset() if leave == "reset" else client.raw.close()
            await until(lambda: not gateway.plane.leaving and not front.connections)
        after = open_descriptors()

    assert gateway.journal.statuses == [200] * 3
    # The upstream's connection may have come, and the tokens' other end.
    assert after <= before + 2


async def test_a_client_that_reads_nothing_is_dropped(gateway, upstream, contexts):
    upstream.answer = ANSWER
    limits = {"write_stall_seconds": 0.3, "idle_seconds": 0.3, "linger_seconds": 0.3}
    async with run_front(gateway, context=contexts[0], **limits) as (front, port):
        client = await ask_and_wait(gateway, port, contexts[1])
        await until(lambda: not front.connections)

        assert not gateway.plane.leaving
        assert gateway.journal.statuses == [200]
        client.reset()


async def test_an_end_of_the_gateway_counts_what_waits(gateway, upstream, contexts):
    upstream.answer = ANSWER
    async with run_front(gateway, context=contexts[0]) as (front, port):
        client = await ask_and_wait(gateway, port, contexts[1])
        assert gateway.journal.rows == []

        front.abort_all()
        await until(lambda: not gateway.plane.leaving)
        client.reset()

    assert gateway.journal.statuses == [200]


async def test_long_answers_are_counted_once(gateway, upstream, contexts):
    body = BODY * 8
    upstream.answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    async with run_front(gateway, context=contexts[0]) as (_, port):
        client = await SlowClient(port, contexts[1]).open()
        await client.send(LAST % gateway.authority.issue())

        found = await client.read_all(1_000_000)
        client.raw.close()

    assert found.endswith(body)
    assert gateway.journal.statuses == [200]


async def test_an_answer_after_the_end_of_tls_is_counted_once(gateway, upstream, certificate):
    def answer_late(plane, call):
        transport = call.inbound._connection._transport
        transport.close()
        call.status = 200
        call.inbound.answer(200, [], b"late")

    serve = partial(serve_call, gateway.plane, taken=(*CHECKS, answer_late))
    context = listener.make_context(certificate, certificate.parent / "gateway-key.pem")
    trust = ssl.create_default_context(cafile=str(certificate))
    async with run_front(gateway, serve, context) as (_, port):
        client = await SlowClient(port, trust).open()
        await client.send(REQUEST % gateway.authority.issue())
        await until(lambda: gateway.journal.rows)
        client.reset()

    assert gateway.journal.statuses == [200]
    assert not gateway.plane.leaving


class Line(asyncio.Transport):
    """A transport whose descriptor goes to somebody else at the moment it is aborted."""

    def __init__(self, stream):
        super().__init__({"socket": stream})
        self.is_aborted = False

    def abort(self):
        self.is_aborted = True


class WebSocketStandIn:
    """What goes on with a connection after our 101, and does nothing with it."""

    def take_over(self, transport, early):
        pass


async def test_nothing_is_written_when_the_connection_is_gone(gateway):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)
        line = Line(ours)
        outlet = Outlet(gateway.plane, Departures(asyncio.get_running_loop()), line)
        outlet.write(b"before")
        outlet.abort()
        outlet.write(b"for somebody else")
        outlet.flush()

        assert theirs.recv(100) == b"before"
        with pytest.raises(BlockingIOError):
            theirs.recv(100)
        assert line.is_aborted


@pytest.mark.parametrize(
    "kind", [Http1Connection, Http2Connection, None], ids=["HTTP/1.1", "HTTP/2", "WebSocket"]
)
async def test_nothing_is_written_when_the_client_has_gone(kind):
    ours, theirs = socket.socketpair()
    async with run_server() as server:
        with ours, theirs:
            theirs.setblocking(False)
            departures = Departures(asyncio.get_running_loop())
            outlet = Outlet(server.front.plane, departures, Line(ours))
            if kind is None:
                successor = WebSocketStandIn()
                server.front.welcome(successor, outlet, b"", is_full=False)
                outlet.write(b"for somebody else")
                successor.on_lost()
            else:
                connection = kind(server.front)
                connection.connection_made(outlet)
                outlet.write(b"for somebody else")
                connection.connection_lost(None)
            outlet.flush()

            with pytest.raises(BlockingIOError):
                theirs.recv(100)


async def test_a_websocket_waits_for_its_client():
    frame = b"\x82\x7e\xff\xff" + bytes(65_535)
    async with run_raw_upstream() as upstream:
        upstream.answerer = switching_then(frame * 60)
        async with run_gateway(upstream.url) as gateway:
            reader, writer = await begin(gateway)
            writer.transport.pause_reading()
            await asyncio.sleep(0.2)
            writer.transport.resume_reading()

            found = await asyncio.wait_for(reader.readexactly(len(frame) * 60), 20)

            assert found == frame * 60
            writer.transport.abort()
