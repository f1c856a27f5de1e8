"""From the client's bytes to the upstream's, and back: what no single part can promise."""

import asyncio
import json
import re
import socket

import pytest
from h2 import events

from tests.unit.gateway.front.test_http2 import Client
from tests.unit.gateway.front.whole_gateway import run_gateway
from tests.unit.gateway.raw_upstream import run_raw_upstream

CLOSE = b"Connection: close\r\n"


@pytest.fixture
async def upstream():
    async with run_raw_upstream() as running:
        yield running


@pytest.fixture
async def gateway(upstream):
    async with run_gateway(upstream.url) as running:
        yield running


def head(
    gateway,
    method=b"GET",
    target=b"/orders/v1/orders/42",
    *fields,
    token=None,
    host=b"Host: localhost\r\n",
):
    token = token or gateway.issue()
    authorization = b"Authorization: Bearer %b\r\n" % token
    return b"%b %b HTTP/1.1\r\n%b%b%b\r\n" % (method, target, host, authorization, b"".join(fields))


def post(gateway, *fields, token=None):
    return head(gateway, b"POST", b"/orders/v1/orders", *fields, token=token)


async def http2(gateway):
    return Client(*await gateway.open())


def authorized(token):
    return (b"authorization", b"Bearer " + token)


# Trailers.

TRAILERS = b"Authorization: Bearer other\r\nX-User: admin\r\nX-Late: 1\r\n"


async def test_trailers_of_a_request_reach_nobody_and_not_the_next_request(gateway, upstream):
    token = gateway.issue()

    answer = await gateway.send(
        post(gateway, b"Transfer-Encoding: chunked\r\nTrailer: X-Late\r\n", token=token)
        + b"3\r\nabc\r\n0\r\n"
        + TRAILERS
        + b"\r\n",
        head(gateway, b"GET", b"/orders/v1/orders/42", CLOSE, token=token),
    )

    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 2
    first, second = upstream.requests
    assert first.body == b"abc"
    for name in ("x-user", "x-late", "trailer", "content-length"):
        assert first.values(name) == second.values(name) == []
    assert all(len(seen.values("authorization")) == 1 for seen in (first, second))


async def test_trailers_over_http2_reach_nobody(gateway, upstream):
    client = await http2(gateway)
    stream = client.request(
        authorized(gateway.issue()),
        path=b"/orders/v1/orders",
        method=b"POST",
        authority=b"localhost",
        ends=False,
    )
    client.h2.send_data(stream, b"abc")
    client.h2.send_headers(stream, [(b"x-user", b"admin"), (b"x-late", b"1")], end_stream=True)
    client.flush()

    status, _, _ = await client.answer(stream)

    assert status == 200
    assert upstream.last.body == b"abc"
    assert upstream.last.values("x-user") == upstream.last.values("x-late") == []


@pytest.mark.parametrize("te", [b"", b"TE: trailers\r\n"])
async def test_trailers_of_an_answer_stop_here(gateway, upstream, te):
    upstream.answer = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Late\r\n\r\n"
        b"3\r\nabc\r\n0\r\nX-Late: 1\r\nSet-Cookie: a=1\r\n\r\n"
    )

    answer = await gateway.send(head(gateway, b"GET", b"/orders/v1/orders/1", te, CLOSE))

    assert b"abc" in answer
    assert b"late" not in answer.lower()
    assert b"a=1" not in answer


# Interim answers, and those without a body.


async def test_interim_answers_of_the_upstream_are_not_passed_on(gateway, upstream):
    upstream.answer = (
        b"HTTP/1.1 100 Continue\r\n\r\n"
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"
        b"HTTP/1.1 102 Processing\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    )
    token = gateway.issue()

    answer = await gateway.send(
        head(gateway, token=token),
        head(gateway, b"GET", b"/orders/v1/orders/1", CLOSE, token=token),
    )

    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"200", b"200"]
    assert b"preload" not in answer


@pytest.mark.parametrize(
    ("method", "said"),
    [
        (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"),
        (b"HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        (b"GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        (b"GET", b"HTTP/1.1 304 Not Modified\r\nETag: x\r\nContent-Length: 10\r\n\r\n"),
    ],
)
async def test_answers_without_a_body_end_at_their_head(gateway, upstream, method, said):
    upstream.answer = said
    token = gateway.issue()

    answer = await gateway.send(
        head(gateway, method, b"/orders/v1/orders/1", token=token),
        head(gateway, method, b"/orders/v1/orders/2", CLOSE, token=token),
    )

    # Nothing stands between the first answer's head and the second answer.
    answers = answer.split(b"\r\n\r\n")
    assert len(answers) == 3
    assert answers[2] == b""
    assert all(one.startswith(said[:12]) for one in answers[:2])
    assert (b"content-length: 10" in answers[0]) is (method == b"HEAD" and b"Length" in said)


# Fields of the answer.

ODD_BYTES = bytes(range(0x80, 0x100)) + b'\t!"#'


async def test_fields_of_an_answer_pass_with_any_bytes_over_both_versions(gateway, upstream):
    upstream.answer = (
        b"HTTP/1.1 200 OK\r\nX-Odd: " + ODD_BYTES + b"\r\n"
        b"Set-Cookie: a=1, 2; Expires=Thu, 01 Jan 2026 00:00:00 GMT\r\nSet-Cookie: b=2\r\n"
        b"Set-Cookie: a=1\r\nContent-Length: 0\r\n\r\n"
    )
    cookies = [b"a=1, 2; Expires=Thu, 01 Jan 2026 00:00:00 GMT", b"b=2", b"a=1"]

    answer = await gateway.send(head(gateway, b"GET", b"/orders/v1/orders/1", CLOSE))
    client = await http2(gateway)
    stream = client.request(
        authorized(gateway.issue()), path=b"/orders/v1/orders/1", authority=b"localhost"
    )
    fields = (await client.until(events.ResponseReceived, stream)).headers

    assert b"\r\nX-Odd: " + ODD_BYTES + b"\r\n" in answer
    assert re.findall(rb"\r\nSet-Cookie: ([^\r]*)", answer) == cookies
    assert (b"x-odd", ODD_BYTES) in fields
    assert [value for name, value in fields if name == b"set-cookie"] == cookies


# Host.


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        (b"http://localhost/orders/v1/orders/42", b"Host: evil.test\r\n", b"200"),
        (b"http://evil.test/orders/v1/orders/42", b"Host: localhost\r\n", b"421"),
        (b"http://localhost@evil.test/orders/v1/orders/42", b"Host: localhost\r\n", b"400"),
        (b"ftp://localhost/orders/v1/orders/42", b"Host: localhost\r\n", b"400"),
        (b"http:///orders/v1/orders/42", b"Host: localhost\r\n", b"400"),
        (b"/orders/v1/orders/42", b"Host: LOCALHOST:8443\r\n", b"200"),
        (b"/orders/v1/orders/42", b"Host: localhost.evil.test\r\n", b"421"),
        (b"/orders/v1/orders/42", b"Host: \r\n", b"400"),
    ],
)
async def test_the_authority_that_counts_is_one_of_ours(gateway, upstream, target, host, status):
    answer = await gateway.send(head(gateway, b"GET", target, CLOSE, host=host))

    assert answer.split(b" ")[1] == status
    assert len(upstream.requests) == (status == b"200")
    if upstream.requests:
        assert upstream.last.values("host") == [upstream.url.removeprefix("http://")]
        assert upstream.last.values("x-forwarded-host")[0].lower().startswith("localhost")
        assert upstream.last.request_line == "GET /orders/42 HTTP/1.1"


# Early answers, waiting clients, clients that leave.


async def test_an_upstream_that_refuses_early_ends_the_body():
    answered, is_over = asyncio.Event(), asyncio.Event()

    async def refuse(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\n\r\nno")
        await answered.wait()
        writer.transport.abort()
        is_over.set()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, run_gateway(f"http://127.0.0.1:{port}") as early:
        reader, writer = await early.open()
        writer.write(post(early, b"Content-Length: 5000000\r\n") + b"x" * 200_000)

        answer = await asyncio.wait_for(reader.readuntil(b"no"), 5)

        assert answer.startswith(b"HTTP/1.1 409 Conflict\r\n")
        assert [row[1] for row in early.rows] == [409]
        answered.set()
        await is_over.wait()


async def test_100_continue_comes_after_every_check_and_before_the_body(gateway, upstream):
    expecting = (b"Expect: 100-continue\r\n", b"Content-Length: 3\r\n", CLOSE)
    reader, writer = await gateway.open()
    writer.write(post(gateway, *expecting))

    interim = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert upstream.requests == []
    writer.write(b"abc")
    assert (await reader.read(12)) == b"HTTP/1.1 200"
    assert upstream.last.body == b"abc"
    assert upstream.last.values("expect") == []

    refused = await gateway.send(post(gateway, *expecting, token=b"tgat_junk"))
    assert re.findall(rb"HTTP/1.1 (\d+)", refused) == [b"401"]


async def leave(writer, *, by_reset=True):
    """Close both ways; without a reset it looks like the end of what the client has to say."""
    if by_reset:
        linger = (1).to_bytes(4, "little") + bytes(4)
        stream = writer.get_extra_info("socket")
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


@pytest.mark.parametrize("is_streaming", [False, True])
@pytest.mark.parametrize("version", [1, 2])
async def test_a_client_that_leaves_ends_the_upstreams_call(
    gateway, upstream, is_streaming, version
):
    async def begin(recorded, writer):
        if is_streaming:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")

    upstream.answerer = begin
    if version == 1:
        reader, writer = await gateway.open()
        writer.write(head(gateway))
    else:
        client = await http2(gateway)
        reader, writer = client.reader, client.writer
        client.request(
            authorized(gateway.issue()), path=b"/orders/v1/orders/1", authority=b"localhost"
        )
    assert await gateway.settles(lambda: upstream.requests)
    if is_streaming:
        await reader.read(100)
        await asyncio.sleep(0.05)

    await leave(writer)

    await asyncio.wait_for(upstream.closed.wait(), 5)
    assert await gateway.settles(lambda: gateway.rows)
    assert [row[1] for row in gateway.rows] == [200 if is_streaming else 499]


async def test_a_client_that_may_have_left_is_not_waited_for_long(upstream):
    async def think(recorded, writer):
        """Say nothing."""

    upstream.answerer = think
    async with run_gateway(upstream.url, limits={"half_closed_seconds": 0.2}) as gateway:
        _, writer = await gateway.open()
        writer.write(head(gateway))
        assert await gateway.settles(lambda: upstream.requests)

        await leave(writer, by_reset=False)

        await asyncio.wait_for(upstream.closed.wait(), 3)
        assert await gateway.settles(lambda: [row[1] for row in gateway.rows] == [499])


async def test_a_half_closed_client_gets_the_whole_of_a_slow_answer(upstream):
    async def drip(recorded, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na")
        await asyncio.sleep(1.2)
        writer.write(b"bc")

    upstream.answerer = drip
    async with run_gateway(upstream.url, limits={"half_closed_seconds": 0.2}) as gateway:
        reader, writer = await gateway.open()
        writer.write(head(gateway))
        await reader.readuntil(b"a")
        writer.write_eof()

        assert (await asyncio.wait_for(reader.read(), 5)).endswith(b"bc")


async def test_a_body_that_grows_too_large_is_refused_while_it_streams(upstream):
    async with run_gateway(upstream.url, max_body_bytes=20_000) as gateway:
        chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"

        answer = await gateway.send(
            post(gateway, b"Transfer-Encoding: chunked\r\n"), chunk, chunk, pause=0.01
        )
        client = await http2(gateway)
        stream = client.request(
            authorized(gateway.issue()),
            path=b"/orders/v1/orders",
            method=b"POST",
            authority=b"localhost",
            ends=False,
        )
        client.h2.send_data(stream, b"x" * 0x4000)
        client.h2.send_data(stream, b"x" * 0x4000)
        client.flush()
        status, fields, _ = await client.answer(stream)

        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"connection: close\r\n" in answer
        assert b"/problems/content-too-large" in answer
        assert (status, fields[b"content-type"]) == (413, b"application/problem+json")
        assert upstream.requests == []
        assert [row[1] for row in gateway.rows] == [413, 413]


# Refusals: status, problem type and fields of each, as the client gets them.

PROBLEM_FIELDS = {b"content-type": b"application/problem+json", b"cache-control": b"no-store"}
REFUSALS = [
    ("GET /orders/v1/orders/../x", "", 400, "bad-request", {b"connection": b"close"}),
    ("GET /orders/v1/orders/a%2Fb", "", 400, "bad-request", {b"connection": b"close"}),
    ("GET /orders/v1/orders/a\\b", "", 400, "bad-request", {b"connection": b"close"}),
    ("GET /orders/v1/orders/%00", "", 400, "bad-request", {b"connection": b"close"}),
    ("GET /orders/v1/orders/1", "Host: a\r\n", 400, "bad-request", {b"connection": b"close"}),
    ("GET /orders/v1/orders/" + "x" * 8200, "", 414, "uri-too-long", {}),
    ("GET /orders/v1/orders/1?" + "x" * 8200, "", 414, "uri-too-long", {}),
    ("GET /orders/v1/orders/1?access_token=x", "", 400, "invalid-token-request", {}),
    ("TRACE /orders/v1/orders/1", "", 501, "method-not-implemented", {}),
    ("CONNECT localhost:443", "", 501, "method-not-implemented", {b"connection": b"close"}),
    ("BREW /orders/v1/orders/1", "", 501, "method-not-implemented", {b"connection": b"close"}),
    ("GET /nothing", "", 404, "not-found", {}),
    ("GET http://evil.test/orders/v1/orders/1", "", 421, "misdirected-request", {}),
    (
        "DELETE /orders/v1/orders/1",
        "",
        405,
        "method-not-allowed",
        {b"allow": b"GET, HEAD, OPTIONS"},
    ),
    (
        "GET /orders/v1/orders/1",
        "Expect: magic\r\n",
        417,
        "expectation-failed",
        {b"connection": b"close"},
    ),
    (
        "GET /orders/v1/orders/1",
        "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        400,
        "conflicting-framing",
        {b"connection": b"close"},
    ),
    (
        "GET /orders/v1/orders/1",
        "Content-Length: 1, 1\r\n",
        400,
        "bad-framing",
        {b"connection": b"close"},
    ),
    (
        "GET /orders/v1/orders/1",
        "Transfer-Encoding: gzip, chunked\r\n",
        501,
        "transfer-coding-not-implemented",
        {b"connection": b"close"},
    ),
    (
        "POST /orders/v1/orders",
        "Content-Length: 99\r\n",
        413,
        "content-too-large",
        {b"connection": b"close"},
    ),
    (
        "GET /orders/v1/orders/1",
        "X: " + "x" * 33_000 + "\r\n",
        431,
        "headers-too-large",
        {b"connection": b"close"},
    ),
    (
        "GET /orders/v1/orders/1",
        "Authorization: Bearer x\r\n",
        400,
        "invalid-token-request",
        {b"www-authenticate": None},
    ),
]


def read_problem(answer: bytes):
    head, _, rest = answer.partition(b"\r\n\r\n")
    fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
    return fields, json.loads(rest[: int(fields[b"content-length"])])


@pytest.mark.parametrize(
    ("line", "fields", "status", "problem", "expected"), REFUSALS, ids=lambda v: str(v)[:40]
)
async def test_each_refusal_has_its_status_type_and_fields(line, fields, status, problem, expected):
    async with (
        run_raw_upstream() as upstream,
        run_gateway(upstream.url, max_body_bytes=50) as gateway,
    ):
        raw = f"{line} HTTP/1.1\r\nHost: localhost\r\n{fields}"
        raw += f"Authorization: Bearer {gateway.issue().decode()}\r\n\r\n"

        answer = await gateway.send(
            raw.encode(), b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        lines, said = read_problem(answer)

    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert said["status"] == status
    assert said["type"] == f"/problems/{problem}"
    assert said["title"]
    assert said["instance"] == "urn:tollgate:request:" + lines[b"x-request-id"].decode()
    assert {**lines, **PROBLEM_FIELDS} == lines
    assert (lines[b"server"], bool(lines[b"date"])) == (b"tollgate", True)
    for name, value in expected.items():
        assert lines[name] == (value or lines[name])
    assert (b"connection" in lines) is (b"connection" in expected)
    assert (b"www-authenticate" in lines) is (problem == "invalid-token-request")
    assert upstream.requests == []
