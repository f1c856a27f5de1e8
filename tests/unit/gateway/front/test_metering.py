"""A call is counted with its last byte, neither before nor after: pipeline and front together."""

import asyncio
import socket
from functools import partial

import pytest
from h2 import events

from gateway.dataplane.pipeline import serve_call
from gateway.front import listener
from gateway.front.shared import Front
from tests.unit.gateway.front.test_http2 import Client

REQUEST = (
    b"GET /orders/v1/orders/42 HTTP/1.1\r\nHost: gateway.test\r\nAuthorization: Bearer %b\r\n\r\n"
)
LENGTH = 12_000_000  # more than any kernel keeps for a connection
FRAMINGS = {
    "length": b"Content-Length: %d\r\n\r\n" % LENGTH + b"x" * LENGTH,
    "chunks": b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % LENGTH
    + b"x" * LENGTH
    + b"\r\n0\r\n\r\n",
}


@pytest.fixture
async def port(gateway):
    front = Front(gateway.plane, partial(serve_call, gateway.plane), scheme="http")
    listening = listener.open_socket("127.0.0.1", 0)
    accepting = await listener.listen(front, listening, None)
    yield listening.getsockname()[1]
    accepting.close()
    front.abort_all()


async def ask(gateway, port):
    """Return a blocking socket that has asked and read nothing."""
    stream = socket.socket()
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 131_072)
    stream.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(stream, ("127.0.0.1", port))
    await loop.sock_sendall(stream, REQUEST % gateway.authority.issue())
    return stream


async def read(stream, count):
    loop = asyncio.get_running_loop()
    found = 0
    async with asyncio.timeout(20):
        while found < count:
            piece = await loop.sock_recv(stream, 1_000_000)
            if not piece:
                break
            found += len(piece)
    return found


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - the conditions have no events
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("framing", FRAMINGS)
async def test_a_slow_reader_is_counted_when_the_last_byte_leaves(gateway, upstream, port, framing):
    upstream.answer = b"HTTP/1.1 200 OK\r\n" + FRAMINGS[framing]
    stream = await ask(gateway, port)
    await until(lambda: gateway.plane.in_flight)
    await asyncio.sleep(0.3)

    assert gateway.journal.rows == []
    half = await read(stream, LENGTH // 2)
    assert gateway.journal.rows == []
    await read(stream, LENGTH - half)
    await until(lambda: gateway.journal.rows)

    stream.close()
    assert gateway.journal.statuses == [200]
    assert gateway.journal.rows[0][3] == LENGTH


async def test_a_reader_that_leaves_in_the_middle_is_counted_once_and_as_answered(
    gateway, upstream, port
):
    upstream.answer = b"HTTP/1.1 200 OK\r\n" + FRAMINGS["length"]
    stream = await ask(gateway, port)
    await read(stream, LENGTH // 4)

    stream.close()
    await until(lambda: not gateway.plane.in_flight)

    assert (gateway.journal.statuses, gateway.journal.causes) == ([200], ["upstream"])
    assert gateway.counters.read("client_disconnects") == 1


async def test_an_answer_that_the_api_breaks_off_is_the_gateways(gateway, upstream, port):
    async def break_off(recorded, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nhalf")
        await writer.drain()
        writer.close()

    upstream.answerer = break_off
    stream = await ask(gateway, port)

    await read(stream, 100_000)
    await until(lambda: not gateway.plane.in_flight)

    stream.close()
    assert (gateway.journal.statuses, gateway.journal.causes) == ([200], ["gateway"])


async def test_http2_counts_an_answer_when_its_stream_ends(gateway, upstream, port):
    body = b"x" * 70_000  # the window has 65,535
    upstream.answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    client = Client(*await asyncio.open_connection("127.0.0.1", port), grants=False)
    fields = [(b"authorization", b"Bearer " + gateway.authority.issue())]
    stream = client.request(*fields, path=b"/orders/v1/orders/42", authority=b"gateway.test")
    await client.until(events.DataReceived, stream)
    await asyncio.sleep(0.1)

    assert gateway.journal.rows == []
    assert len(gateway.plane.in_flight) == 1
    client.h2.increment_flow_control_window(10_000)
    client.h2.increment_flow_control_window(10_000, stream)
    client.flush()
    status, _, found = await client.answer(stream)

    client.writer.close()
    assert (status, found) == (200, body)
    assert gateway.journal.statuses == [200]
    await until(lambda: not gateway.plane.in_flight)


async def test_http2_refusal_that_the_client_cannot_take_yet_is_counted_once_it_left(
    gateway, upstream, port
):
    gateway.configure(max_body_bytes=1)
    client = Client(*await asyncio.open_connection("127.0.0.1", port))
    stream = client.request(
        (b"authorization", b"Bearer " + gateway.authority.issue()),
        (b"content-length", b"5"),
        path=b"/orders/v1/orders",
        method=b"POST",
        authority=b"gateway.test",
        ends=False,
    )

    status, _, _ = await client.answer(stream)

    client.writer.close()
    assert status == 413
    assert (gateway.journal.statuses, gateway.journal.causes) == ([413], ["client"])


@pytest.mark.parametrize(
    "framing",
    [b"Content-Length: 2\r\n\r\n{}", b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"],
)
@pytest.mark.parametrize("in_pieces", [False, True])
async def test_a_call_is_counted_before_its_client_can_have_the_last_byte(
    gateway, upstream, port, framing, in_pieces
):
    async def answer(recorded, writer):
        whole = b"HTTP/1.1 200 OK\r\n" + framing
        cut = len(whole) - (6 if in_pieces else 0)
        writer.write(whole[:cut])
        await asyncio.sleep(0.05 if in_pieces else 0)
        writer.write(whole[cut:])

    def peek(key, outcome, **numbers):
        try:
            seen.append(stream.recv(1000, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except BlockingIOError:
            seen.append(b"")

    seen = []
    upstream.answerer = answer
    gateway.journal.record = peek
    stream = await ask(gateway, port)
    await until(lambda: seen and not gateway.plane.in_flight)
    whole = stream.recv(1000)

    stream.close()
    (before,) = seen
    assert whole.startswith(before)
    assert whole.endswith((b"{}", b"0\r\n\r\n"))
    assert len(before) < len(whole)
