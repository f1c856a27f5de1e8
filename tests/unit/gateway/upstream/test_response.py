"""What the client makes of an upstream's bytes."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.upstream import errors
from tests.unit.gateway.upstream.conftest import read_all


def answering(*pieces, pause=0.0, stay=True):
    """A script that answers every request with `pieces`, and then stays open or closes."""

    async def script(peer):
        while True:
            await peer.request_head()
            for piece in pieces:
                await peer.send(piece)
                await asyncio.sleep(pause)
            if not stay:
                return

    return script


@pytest.fixture
async def get(serve, connect):
    """Return a function that gives the response, its body, and how many connections are pooled."""

    async def run(script, method=b"GET", **options):
        client = connect(await serve(script), **options)
        response = await client.send(method, b"/", [], b"")
        return response, await read_all(response), len(client._idle)

    return run


async def test_small_response_comes_whole_and_its_connection_is_kept(get):
    raw = b"HTTP/1.1 201 Created\r\nX-A: 1\r\nx-a: \xe9\r\nEmpty:\r\nContent-Length: 5\r\n\r\nhello"

    response, body, pooled = await get(answering(raw))

    assert (response.status, response.body, body, pooled) == (201, b"hello", b"hello", 1)
    assert response.headers == [
        (b"X-A", b"1"),
        (b"x-a", b"\xe9"),
        (b"Empty", b""),
        (b"Content-Length", b"5"),
    ]


async def test_body_that_comes_later_is_read_in_pieces(get):
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"

    response, body, pooled = await get(answering(head, b"abc", b"def", pause=0.01))

    assert (response.body, body, pooled) == (None, b"abcdef", 1)


async def test_chunked_body_is_decoded_and_its_trailers_are_dropped(get):
    raw = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"
        b"3;ext=1\r\nabc\r\nA\r\n0123456789\r\n0\r\nX-Trailer: late\r\n\r\n"
    )

    response, body, _ = await get(answering(raw))

    assert body == b"abc0123456789"
    assert response.headers == [(b"Transfer-Encoding", b"Chunked")]


async def test_trailers_never_reach_the_next_response(serve, connect):
    raw = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\nabc\r\n0\r\nX-Trailer: late\r\n\r\n"
    )
    client = connect(await serve(answering(raw)))

    for _ in range(3):
        response = await client.send(b"GET", b"/", [], b"")
        assert await read_all(response) == b"abc"
        assert response.headers == [(b"Transfer-Encoding", b"chunked")]


async def test_body_without_a_length_ends_with_the_connection(get):
    raw = b"HTTP/1.1 200 OK\r\nX: y\r\n\r\nabc"

    _, body, pooled = await get(answering(raw, b"def", stay=False))

    assert (body, pooled) == (b"abcdef", 0)


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
async def test_statuses_without_a_body_end_at_the_head_whatever_length_they_name(get, status):
    raw = b"HTTP/1.1 " + status + b"\r\nContent-Length: 99\r\n\r\n"

    response, body, pooled = await get(answering(raw))

    assert (response.status, body, pooled) == (int(status[:3]), b"", 1)


@pytest.mark.parametrize("framing", [b"Content-Length: 99", b"Transfer-Encoding: chunked"])
async def test_head_response_has_no_body_and_the_connection_serves_the_next(
    serve, connect, framing
):
    connections = set()

    async def script(peer):
        connections.add(peer.number)
        await peer.request_head()
        await peer.send(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n")
        await peer.request_head()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await peer.reader.read()

    client = connect(await serve(script))
    first = await client.send(b"HEAD", b"/", [], b"")
    second = await client.send(b"GET", b"/", [], b"")

    assert (first.status, first.body, second.body, connections) == (200, b"", b"ok", {0})


async def test_head_response_with_a_body_is_not_trusted_again(get):
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"

    _, body, pooled = await get(answering(raw), method=b"HEAD")

    assert (body, pooled) == (b"", 0)


async def test_interim_responses_are_skipped(get):
    raw = (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    )

    response, body, _ = await get(answering(*[raw[at : at + 1] for at in range(len(raw))]))

    assert (response.status, body) == (200, b"ok")
    assert response.headers == [(b"Content-Length", b"2")]


@pytest.mark.parametrize(
    "close", [b"HTTP/1.1 200 OK\r\nConnection: close\r\n", b"HTTP/1.0 200 OK\r\n"]
)
async def test_connection_that_will_close_is_not_kept(get, close):
    response, body, pooled = await get(answering(close + b"Content-Length: 2\r\n\r\nok"))

    assert (response.status, body, pooled) == (200, b"ok", 0)


@pytest.mark.parametrize(
    "poison",
    [
        b"HTTP/1.1 200 OK\r\nX-Evil: 1\r\nContent-Length: 4\r\n\r\nevil",
        b"HTTP/1.1 200 OK\r\nX-Evil: 1\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Evil: 1\r\n",
        b"evil",
    ],
)
async def test_bytes_beyond_the_response_are_dropped_with_the_connection(get, poison):
    once = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    response, body, pooled = await get(answering(once + poison))

    assert (body, pooled) == (b"ok", 0)
    assert response.headers == [(b"Content-Length", b"2")]


async def test_unasked_response_on_an_idle_connection_is_never_delivered(serve, connect):
    async def script(peer):
        await peer.request_head()
        mine = b"%d" % peer.number
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + mine)
        await asyncio.sleep(0.02)
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")

    client = connect(await serve(script))
    first = await client.send(b"GET", b"/", [], b"")
    await asyncio.sleep(0.1)
    second = await client.send(b"GET", b"/", [], b"")

    assert (first.body, second.body) == (b"0", b"1")


OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"Content-Length: 3\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
IN_CHUNKS = b"\r\n3\r\nabc\r\n0\r\n\r\n"

VIOLATIONS = {
    "length and chunked": OK + LENGTH + CHUNKED + IN_CHUNKS,
    "chunked and length": OK + CHUNKED + LENGTH + IN_CHUNKS,
    "two lengths": OK + LENGTH + b"Content-Length: 4\r\n\r\nabcd",
    "list of lengths": OK + b"Content-Length: 3, 4\r\n\r\nabcd",
    "signed length": OK + b"Content-Length: +3\r\n\r\nabc",
    "unknown coding": OK + b"Transfer-Encoding: gzip\r\n\r\nabc",
    "coding under chunked": OK + b"Transfer-Encoding: gzip, chunked\r\n" + IN_CHUNKS,
    "chunked twice": OK + CHUNKED + CHUNKED + IN_CHUNKS,
    "chunked not last": OK + b"Transfer-Encoding: chunked, x\r\n\r\nabc",
    "chunked in HTTP/1.0": b"HTTP/1.0 200 OK\r\n" + CHUNKED + IN_CHUNKS,
    "prefixed chunk size": OK + CHUNKED + b"\r\n0x3\r\nabc\r\n0\r\n\r\n",
    "folded header": OK + b"A: b\r\n c\r\nContent-Length: 0\r\n\r\n",
    "space before colon": OK + b"Content-Length : 0\r\n\r\n",
    "NUL in a value": OK + b"A: b\0c\r\nContent-Length: 0\r\n\r\n",
    "bare CR in a value": OK + b"A: b\rc\r\nContent-Length: 0\r\n\r\n",
    "not HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "101 unasked": b"HTTP/1.1 101 Odd\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    "status below 100": b"HTTP/1.1 042 Odd\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("raw", VIOLATIONS.values(), ids=VIOLATIONS.keys())
@pytest.mark.parametrize("step", [10_000, 1], ids=["at once", "by bytes"])
async def test_ambiguous_response_is_a_violation(get, raw, step):
    script = answering(*[raw[at : at + step] for at in range(0, len(raw), step)])

    with pytest.raises(errors.ProtocolViolation):
        await get(script)


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nA: " + b"x" * 66_000 + b"\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 12_000 + b"Content-Length: 0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 4_000,
        b"HTTP/1.1 200 OK\r\nA: " + b"x" * 70_000,
    ],
    ids=["one value", "many headers", "endless interim", "unfinished"],
)
async def test_head_above_64_kib_is_a_violation(get, raw):
    with pytest.raises(errors.ProtocolViolation, match="64 KiB"):
        await get(answering(raw))


async def test_head_below_64_kib_is_fine_before_a_large_body(get):
    raw = b"HTTP/1.1 200 OK\r\nA: " + b"x" * 60_000 + b"\r\nContent-Length: 100000\r\n\r\n"

    response, body, _ = await get(answering(raw + b"y" * 100_000))

    assert (len(response.headers[0][1]), len(body)) == (60_000, 100_000)


async def test_endless_trailers_are_a_violation(get):
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"

    with pytest.raises(errors.ProtocolViolation, match="trailers"):
        await get(answering(head, *[b"X: " + b"y" * 8000 + b"\r\n"] * 10, pause=0.01))


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ],
)
async def test_body_cut_short_is_an_error_after_what_came(serve, connect, raw):
    client = connect(await serve(answering(raw, stay=False)))

    response = await client.send(b"GET", b"/", [], b"")
    assert await response.read() == b"abc"
    with pytest.raises(errors.ConnectionLost):
        await response.read()
    with pytest.raises(errors.ConnectionLost):  # and it stays one
        await response.read()


async def test_reset_in_a_body_without_a_length_is_not_its_end(serve, connect):
    async def script(peer):
        await peer.request_head()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\nabc")
        await asyncio.sleep(0.05)
        # Closing with unread bytes makes the kernel send a reset.
        peer.writer.transport.get_extra_info("socket").setsockopt(
            1, 13, b"\x01\x00\x00\x00\x00\x00\x00\x00"
        )
        peer.reset()

    client = connect(await serve(script))
    response = await client.send(b"GET", b"/", [], b"")
    assert await response.read() == b"abc"

    with pytest.raises(errors.ConnectionLost):
        await response.read()


WITH_LENGTH = OK + b"X-Long-Name: some value\r\nContent-Length: 11\r\n\r\nhello world"
WITH_CHUNKS = (
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 Fine\r\nX-Long-Name: some value\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nT: u\r\n\r\n"
)
UNTIL_CLOSE = OK + b"X-Long-Name: some value\r\n\r\nhello world"


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    data=st.data(), which=st.sampled_from([(WITH_LENGTH, 1), (WITH_CHUNKS, 1), (UNTIL_CLOSE, 0)])
)
def test_however_the_bytes_are_cut_the_response_is_the_same(data, which):
    raw, pooled = which
    cuts = sorted(data.draw(st.sets(st.integers(1, len(raw) - 1), max_size=12)))
    pieces = [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]

    response, body, is_kept = _feed(pieces, ends=not pooled)

    assert response.status == 200
    assert response.headers[0] == (b"X-Long-Name", b"some value")
    assert (body, is_kept) == (b"hello world", bool(pooled))


def _feed(pieces, *, ends):
    """Give a connection exactly these reads, as the event loop would."""
    from gateway.upstream.http1 import Connection  # noqa: PLC0415

    class Transport(asyncio.Transport):
        def write(self, data):
            pass

        def abort(self):
            pass

        close = abort

    class Pool:
        first_byte_timeout_seconds = idle_timeout_seconds = 1.0
        is_kept = False

        def release(self, connection):
            self.is_kept = True

        def forget(self, connection):
            pass

    async def run():
        pool = Pool()
        connection = Connection(pool, asyncio.get_running_loop(), "127.0.0.1")
        connection.connection_made(Transport())
        waiter = connection.start(b"GET", is_head=False)
        for piece in pieces:
            connection.data_received(piece)
        if ends:
            connection.eof_received()
        response = await waiter
        return response, await read_all(response), pool.is_kept

    return asyncio.run(run())
