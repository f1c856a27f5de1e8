"""What goes well: requests in order, bodies both ways, connections that stay and that end."""

import asyncio

import pytest

from gateway.dataplane.errors import IncompleteBody
from tests.unit.gateway.front.conftest import read_until_closed, run_server

HOST = b"Host: a\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


def bodies(answers: bytes) -> list[bytes]:
    """Split answers that have a Content-Length."""
    found = []
    while answers:
        head, _, rest = answers.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        found.append(rest[:length])
        answers = rest[length:]
    return found


async def test_fields_arrive_in_lower_case_and_without_space_around(server):
    raw = b"GET /a%2Fb?x=%20 HTTP/1.1\r\nHOST: a\r\nX-A: \t 1 2\t \r\nX-Empty:\r\nX-High: \xff\r\n"

    await server.send(raw + b"Connection: close\r\n\r\n")

    seen = server.seen[0]
    assert (seen.method, seen.path, seen.query) == ("GET", b"/a%2Fb", b"x=%20")
    assert seen.headers == [
        (b"host", b"a"),
        (b"x-a", b"1 2"),
        (b"x-empty", b""),
        (b"x-high", b"\xff"),
        (b"connection", b"close"),
    ]


MESSAGES = {
    "plain": b"GET /1 HTTP/1.1\r\n" + HOST + b"\r\n",
    "length": b"POST /1 HTTP/1.1\r\n" + HOST + b"Content-Length: 9\r\n\r\nab\r\n\r\ncde",
    "chunks": b"POST /1 HTTP/1.1\r\n"
    + HOST
    + CHUNKED
    + b"5\r\n\r\n\r\na\r\n1;x=y\r\nb\r\n0\r\n\r\n",
    "trailers": b"POST /1 HTTP/1.1\r\n"
    + HOST
    + CHUNKED
    + b"1\r\na\r\n0\r\nX-T: 1\r\nX-U: 2\r\n\r\n",
    "empty line before": b"\r\n\r\nGET /1 HTTP/1.1\r\n" + HOST + b"\r\n",
    "upgrade": b"GET /1 HTTP/1.1\r\n" + HOST + b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    "upgrade with a length": b"POST /1 HTTP/1.1\r\n"
    + HOST
    + b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc",
    "upgrade with chunks": b"POST /1 HTTP/1.1\r\n"
    + HOST
    + b"Connection: upgrade\r\nUpgrade: h2c\r\n"
    + CHUNKED
    + b"3\r\nabc\r\n0\r\n\r\n",
}
EXPECTED = {
    "plain": b"/1 ",
    "length": b"/1 ab\r\n\r\ncde",
    "chunks": b"/1 \r\n\r\nab",
    "trailers": b"/1 a",
    "empty line before": b"/1 ",
    "upgrade": b"/1 ",
    "upgrade with a length": b"/1 abc",
    "upgrade with chunks": b"/1 abc",
}


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 10_000])
async def test_a_message_ends_where_it_ends_however_it_is_cut(server, name, size):
    stream = MESSAGES[name] * 2 + LAST
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]

    answers = await server.send(*pieces)

    assert bodies(answers) == [EXPECTED[name], EXPECTED[name], b"/last "]
    assert all(name != b"x-t" for seen in server.seen for name, _ in seen.headers)


async def test_answers_come_in_the_order_of_the_requests(server):
    async def first_is_slow(request):
        if request.raw_path == b"/1":
            await asyncio.sleep(0.1)
        request.answer(200, [], request.raw_path)

    server.handler = first_is_slow

    answers = await server.send(MESSAGES["plain"] + b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n" + LAST)

    assert bodies(answers) == [b"/1", b"/2", b"/last"]


async def test_a_bounded_amount_is_read_ahead():
    async with run_server(ahead_bytes=10_000) as server:
        go_on = asyncio.Event()

        async def wait(request):
            await go_on.wait()
            request.answer(200, [], b"")

        server.handler = wait
        reader, writer = await server.connect()
        writer.write(MESSAGES["plain"] * 200_000)  # 6.6 MB: more than sockets hold
        await asyncio.sleep(0.3)
        connection = next(iter(server.front.connections))
        held = len(connection._ahead)
        unsent = writer.transport.get_write_buffer_size()
        server.handler = None
        go_on.set()
        answer = await reader.readexactly(100_000)
        writer.close()

    assert held < 1_000_000
    assert unsent > 0
    assert answer.count(b"HTTP/1.1 200") > 500


async def test_the_authority_of_an_absolute_target_is_the_host(server):
    await server.send(b"GET http://real:8080/x?y=/z HTTP/1.1\r\nHost: fake\r\n\r\n" + LAST)

    seen = server.seen[0]
    assert (seen.path, seen.query) == (b"/x", b"y=/z")
    assert seen.headers == [(b"host", b"real:8080")]


@pytest.mark.parametrize(("target", "path"), [(b"HTTPS://a", b"/"), (b"http://a?q", b"/")])
async def test_an_absolute_target_without_a_path_is_the_root(server, target, path):
    await server.send(b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n" + LAST)

    assert server.seen[0].path == path


async def test_100_continue_is_said_when_the_body_is_read(server):
    reader, writer = await server.connect()
    writer.write(
        b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n\r\n"
    )

    interim = await reader.readuntil(b"\r\n\r\n")
    writer.write(b"ab" + LAST)
    answers = await read_until_closed(reader)
    writer.close()

    assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert bodies(answers) == [b"/1 ab", b"/last "]


async def test_without_100_continue_the_connection_ends_with_the_answer(server):
    async def refuse(request):
        request.answer(403, [], b"no")

    server.handler = refuse

    answer = await server.send(
        b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n", LAST
    )

    assert answer.startswith(b"HTTP/1.1 403")
    assert b"\r\nconnection: close\r\n" in answer
    assert bodies(answer) == [b"no"]


async def test_http10_does_not_know_100_and_closes(server):
    answer = await server.send(
        b"POST /1 HTTP/1.0\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nab" + LAST
    )

    assert bodies(answer) == [b"/1 ab"]


async def test_http10_stays_when_it_is_asked_to(server):
    keeps = b"GET /1 HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n"

    answers = await server.send(keeps + LAST)

    assert answers.count(b"connection: keep-alive") == 1
    assert bodies(answers) == [b"/1 ", b"/last "]


@pytest.mark.parametrize(
    ("method", "status", "length", "line"),
    [
        (b"HEAD", 200, 7, b"content-length: 7"),
        (b"HEAD", 200, -1, b"content-length: 4"),
        (b"GET", 204, -1, b""),
        (b"GET", 304, -1, b""),
        (b"GET", 304, 9, b"content-length: 9"),
    ],
)
async def test_answers_without_a_body(server, method, status, length, line):
    async def answer_it(request):
        if request.raw_path == b"/last":
            request.answer(200, [], b"")
        elif request.query == b"whole":
            request.answer(status, [], b"body", length=length)
        else:
            request.begin(status, [], length=4 if length < 0 and method == b"HEAD" else length)
            request.write(b"body")
            request.finish()

    server.handler = answer_it
    for query in (b"whole", b"pieces"):
        answers = await server.send(
            method + b" /?" + query + b" HTTP/1.1\r\nHost: a\r\n\r\n" + LAST
        )
        head, _, rest = answers.partition(b"\r\n\r\n")

        assert head.startswith(b"HTTP/1.1 %d " % status)
        assert rest.startswith(b"HTTP/1.1 200 OK")
        assert line in head
        assert b"transfer-encoding" not in head
        if status == 204:
            assert b"content-length" not in head


async def stream(request):
    request.begin(200, [(b"X-A", b"1")])
    for piece in (b"one", b"", b"x" * 20_000):
        waiting = request.write(piece)
        if waiting is not None:
            await waiting
    request.finish()


async def test_an_answer_of_unknown_length_is_chunked(server):
    server.handler = stream

    answer = await server.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"\r\nX-A: 1\r\n" in head
    assert b"transfer-encoding: chunked" in head
    assert body == b"3\r\none\r\n4e20\r\n" + b"x" * 20_000 + b"\r\n0\r\n\r\n"


async def test_http10_gets_no_chunks(server):
    server.handler = stream

    answer = await server.send(b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")

    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert b"connection: close" in head
    assert body == b"one" + b"x" * 20_000


async def test_the_date_of_the_answer_stays(server):
    async def dated(request):
        request.answer(200, [(b"DATE", b"then")], b"")

    server.handler = dated

    answer = await server.send(LAST)

    assert answer.lower().count(b"date: ") == 1


@pytest.mark.parametrize("field", [(b"x", b"a\r\nb: c"), (b"x\n", b"a"), (b"x", b"a\rb")])
async def test_an_answer_is_never_split(server, field):
    async def split(request):
        with pytest.raises(ValueError, match="CR or LF"):
            request.answer(200, [field], b"")
        request.answer(500, [], b"")

    server.handler = split

    answer = await server.send(LAST)

    assert answer.startswith(b"HTTP/1.1 500")


@pytest.mark.parametrize("length", [100, -1])
async def test_an_answer_that_breaks_off_can_be_told_from_a_whole_one(server, length):
    async def break_off(request):
        request.begin(200, [], length=length)
        request.write(b"partial")

    server.handler = break_off

    answer = await server.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")

    assert b"partial" in answer
    assert not answer.endswith(b"0\r\n\r\n")


async def test_an_answer_without_framing_that_breaks_off_is_reset(server):
    async def break_off(request):
        request.begin(200, [])
        await asyncio.sleep(0.1)

    server.handler = break_off
    reader, writer = await server.connect()
    writer.write(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")

    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()


async def test_an_unwanted_body_is_read_on_and_the_connection_stays(server):
    async def refuse(request):
        request.answer(403 if request.raw_path == b"/1" else 200, [], b"")

    server.handler = refuse
    head = b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n"

    answers = await server.send(head, b"x" * 300_000, LAST, pause=0.05)

    assert answers.count(b"HTTP/1.1 403") == 1
    assert answers.count(b"HTTP/1.1 200") == 1


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 5\r\n\r\nstale", CHUNKED + b"5\r\nstale\r\n0\r\n\r\n"]
)
async def test_an_unwanted_body_that_is_here_already_is_not_the_next_ones(server, framing):
    reader, writer = await server.connect()
    arrived = asyncio.Event()

    async def refuse(request):
        if request.raw_path != b"/refused":
            content = b""
            while piece := await request.read():
                content += piece
            request.answer(200, [], content)
            return
        await arrived.wait()
        request.answer(403, [], b"")

    server.handler = refuse
    writer.write(b"POST /refused HTTP/1.1\r\n" + HOST + framing)
    await asyncio.sleep(0.1)
    arrived.set()
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"POST /next HTTP/1.1\r\n" + HOST + b"Connection: close\r\n")
    writer.write(b"Content-Length: 5\r\n\r\nfresh")

    assert bodies(await read_until_closed(reader)) == [b"fresh"]


async def test_an_unwanted_body_is_not_read_for_ever():
    async with run_server(unread_bytes=100_000, unread_seconds=0.2) as server:

        async def refuse(request):
            request.answer(403, [], b"")

        server.handler = refuse
        head = b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 30000000\r\n\r\n"

        too_much = await server.send(head, *[b"x" * 60_000] * 4, pause=0.02)
        too_long = await server.send(head, b"x" * 1000)

    assert too_much.count(b"HTTP/1.1 403") == 1
    assert too_long.count(b"HTTP/1.1 403") == 1


async def test_a_body_waits_in_the_socket_until_it_is_read():
    async with run_server(body_bytes=100_000) as server:
        go_on, sizes = asyncio.Event(), []

        async def read_late(request):
            await go_on.wait()
            while piece := await request.read():
                sizes.append(len(piece))
            request.answer(200, [], b"")

        server.handler = read_late
        reader, writer = await server.connect()
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30000000\r\n\r\n")
        writer.write(b"x" * 30_000_000)
        await asyncio.sleep(0.3)
        unsent = writer.transport.get_write_buffer_size()
        go_on.set()
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        writer.close()

    assert unsent > 10_000_000
    assert answer.startswith(b"HTTP/1.1 200")
    assert sum(sizes) == 30_000_000
    assert max(sizes) < 1_000_000


async def test_a_client_that_does_not_read_slows_the_answer_and_is_dropped():
    async with run_server(write_stall_seconds=0.3) as server:
        written, dropped = 0, asyncio.Event()

        async def pour(request):
            nonlocal written
            request.begin(200, [])
            try:
                for _ in range(1000):
                    written += 65536
                    waiting = request.write(b"x" * 65536)
                    if waiting is not None:
                        await asyncio.wait_for(waiting, 5)
            finally:
                dropped.set()

        server.handler = pour
        reader, writer = await server.connect()
        reader._transport.pause_reading()
        writer.write(LAST)
        await asyncio.sleep(0.2)
        early = written
        await asyncio.wait_for(asyncio.shield(dropped.wait()), 10)
        writer.transport.abort()

    assert early < 20_000_000


async def test_a_client_that_leaves_in_its_body_leaves_it_incomplete(server):
    failed = asyncio.Event()

    async def read(request):
        try:
            while await request.read():
                pass
        except IncompleteBody:
            failed.set()

    server.handler = read
    _, writer = await server.connect()
    writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
    await asyncio.sleep(0.05)
    writer.transport.abort()

    await asyncio.wait_for(failed.wait(), 5)


async def test_a_half_closed_client_still_gets_its_answers(server):
    async def slow(request):
        await asyncio.sleep(0.1)
        request.answer(200, [], request.raw_path)

    server.handler = slow
    reader, writer = await server.connect()
    writer.write(MESSAGES["plain"] * 2)
    writer.write_eof()

    answers = await read_until_closed(reader)
    writer.close()

    assert bodies(answers) == [b"/1", b"/1"]


async def test_winding_down_ends_idle_connections_now_and_others_after_their_answer(server):
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def wait(request):
        begun.set()
        await go_on.wait()
        request.answer(200, [], b"")

    server.handler = wait
    idle, busy = await server.connect(), await server.connect()
    busy[1].write(MESSAGES["plain"] * 2)
    await begun.wait()

    server.front.wind_down()

    assert await read_until_closed(idle[0]) == b""
    go_on.set()
    answer = await read_until_closed(busy[0])
    for _, writer in (idle, busy):
        writer.close()
    assert answer.count(b"HTTP/1.1 200") == 1
    assert b"connection: close" in answer
