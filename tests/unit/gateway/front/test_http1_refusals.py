"""What is no request gets its own error, and nothing after it on the connection counts."""

import json

import pytest

from tests.unit.gateway.front.conftest import run_server

NEXT = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"


def post(*lines: bytes, body: bytes = b"", version: bytes = b"1.1") -> bytes:
    return b"\r\n".join([b"POST / HTTP/" + version, b"Host: a", *lines, b"", body])


CHUNKED = b"Transfer-Encoding: chunked"
FRAMING = {
    "length then chunked": (post(b"Content-Length: 4", CHUNKED, body=b"0\r\n\r\n"), "conflicting"),
    "chunked then length": (post(CHUNKED, b"Content-Length: 4", body=b"0\r\n\r\n"), "conflicting"),
    "length then any coding": (post(b"Content-Length: 4", b"Transfer-Encoding: x"), "conflicting"),
    "two lengths": (post(b"Content-Length: 1", b"Content-Length: 2", body=b"a"), "bad-framing"),
    "one length twice": (
        post(b"Content-Length: 1", b"Content-Length: 1", body=b"a"),
        "bad-framing",
    ),
    "a list of lengths": (post(b"Content-Length: 1, 1", body=b"a"), "bad-framing"),
    "a signed length": (post(b"Content-Length: +1", body=b"a"), "bad-framing"),
    "an empty length": (post(b"Content-Length: "), "bad-framing"),
    "a huge length": (post(b"Content-Length: 99999999999999999999"), "bad-framing"),
    "chunked is not last": (post(b"Transfer-Encoding: chunked, gzip"), "bad-framing"),
    "chunked twice": (post(CHUNKED, CHUNKED, body=b"0\r\n\r\n"), "bad-framing"),
    "gzip alone": (post(b"Transfer-Encoding: gzip"), "bad-framing"),
    "xchunked": (post(b"Transfer-Encoding: xchunked"), "bad-framing"),
    "no-break space": (post(b"Transfer-Encoding: \xa0chunked"), "bad-framing"),
    "chunked in HTTP/1.0": (post(CHUNKED, body=b"0\r\n\r\n", version=b"1.0"), "bad-framing"),
    "upgrade with an unclear length": (
        post(b"Connection: upgrade", b"Upgrade: x", b"Content-Length: 1, 1", body=b"a"),
        "bad-framing",
    ),
}


@pytest.mark.parametrize("name", FRAMING)
async def test_unclear_framing_is_400(server, name):
    raw, problem = FRAMING[name]

    answer = await server.send(raw + NEXT)

    check(answer, 400, problem)
    assert server.seen == []


SYNTAX = {
    "bare LF after a field": b"GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\nX-B: 2\r\n\r\n",
    "bare LF after the request line": b"GET / HTTP/1.1\nHost: a\r\n\r\n",
    "bare LF at the end": b"GET / HTTP/1.1\r\nHost: a\r\n\n",
    "bare CR in a value": b"GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\rX-B: 2\r\n\r\n",
    "bare CR before": b"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "bare LF before": b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "folded line": b"GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n 2\r\n\r\n",
    "space before the first field": b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
    "space before colon": b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    "no name": b"GET / HTTP/1.1\r\n: x\r\nHost: a\r\n\r\n",
    "no token as name": b"GET / HTTP/1.1\r\nHost: a\r\nX[]: 1\r\n\r\n",
    "high byte in a name": b"GET / HTTP/1.1\r\nHost: a\r\n\xefx: 1\r\n\r\n",
    "NUL in a value": b"GET / HTTP/1.1\r\nHost: a\r\nX-A: \x00\r\n\r\n",
    "control character in a value": b"GET / HTTP/1.1\r\nHost: a\r\nX-A: \x01\r\n\r\n",
    "control character in the target": b"GET /a\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
    "high byte in the target": b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
    "two spaces": b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    "tab": b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "space after the version": b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
    "RTSP": b"GET / RTSP/1.1\r\nHost: a\r\n\r\n",
    "ICE": b"SOURCE / ICE/1.1\r\nHost: a\r\n\r\n",
    "lower case": b"GET / http/1.1\r\nHost: a\r\n\r\n",
    "no version": b"GET / \r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "no method": b"/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "no token as method": b'G=":<>(e) / HTTP/1.1\r\nHost: a\r\n\r\n',
    "no Host": b"GET / HTTP/1.1\r\nX-A: 1\r\n\r\n",
    "two Hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    "an empty Host and another": b"GET / HTTP/1.1\r\nHost: \r\nHost: a\r\n\r\n",
    "two Hosts in HTTP/1.0": b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
    "user in the authority": b"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "no authority": b"GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n",
    "another scheme": b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


@pytest.mark.parametrize("name", SYNTAX)
async def test_unclear_syntax_is_400(server, name):
    answer = await server.send(SYNTAX[name] + NEXT)

    check(answer, 400, "bad-request")
    assert server.seen == []


@pytest.mark.parametrize(
    ("raw", "status", "problem"),
    [
        (post(b"Transfer-Encoding: gzip, chunked"), 501, "transfer-coding-not-implemented"),
        (post(b"Transfer-Encoding: gzip", CHUNKED), 501, "transfer-coding-not-implemented"),
        (post(b"Transfer-Encoding: ,chunked"), 501, "transfer-coding-not-implemented"),
        (b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505, "version-not-supported"),
        (b"GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505, "version-not-supported"),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, "version-not-supported"),
        (b"GET / HTTP/9.9\r\nHost: a\r\n\r\n", 505, "version-not-supported"),
        (b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501, "method-not-implemented"),
        (post(b"Expect: tea"), 417, "expectation-failed"),
        (b"GET /" + b"a" * 30_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414, "uri-too-long"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 66_000, 431, "headers-too-large"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: 1\r\n" * 100 + b"\r\n", 431, "headers-too-large"),
    ],
)
async def test_what_is_not_served_has_its_own_status(server, raw, status, problem):
    answer = await server.send(raw + NEXT)

    check(answer, status, problem)
    assert server.seen == []


async def test_refusals_are_counted(server):
    await server.send(b"GET / HTTP/1.1\r\n\r\n")

    counted = server.front.plane.counters
    assert counted.cells[counted_at(400)] == 1


def counted_at(status):
    from gateway.counters import STATUS_AT  # noqa: PLC0415

    return STATUS_AT + status


@pytest.mark.parametrize(
    "body",
    [
        b"3\nabc\r\n0\r\n\r\n",
        b"3\r\nabc\n0\r\n\r\n",
        b"3;a\nabc\r\n0\r\n\r\n",
        b"0x3\r\nabc\r\n0\r\n\r\n",
        b"0_3\r\nabc\r\n0\r\n\r\n",
        b"+3\r\nabc\r\n0\r\n\r\n",
        b"3 \r\nabc\r\n0\r\n\r\n",
        b"\r\n\r\n",
        b"3\r\nabcd\r\n0\r\n\r\n",
        b"ffffffffffffffffff\r\nabc",
        b"3;a\x01\r\nabc\r\n0\r\n\r\n",
        b"0\r\nX: 1\n\r\n",
        b"0\r\nX: 1\r\n 2\r\n\r\n",
        b"0\r\nContent-Length: 5\r\n\r\n",
        b"3;" + b"x" * 20_000 + b"\r\nabc\r\n0\r\n\r\n",
        b"0\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
        b"1;" + b"x" * 100 + b"\r\na\r\n" * 1000,
    ],
)
async def test_a_malformed_chunk_is_an_error_of_the_body(server, body):
    answer = await server.send(post(CHUNKED, body=body) + NEXT)

    check(answer, 400, "bad-framing")
    assert len(server.seen) == 1


async def test_a_head_that_does_not_end_is_408():
    async with run_server(head_seconds=0.2) as server:
        answer = await server.send(b"GET / HTTP/1.1\r\nHost: a\r\n")

    check(answer, 408, "request-timeout")


async def test_a_slow_head_has_no_more_time_than_a_still_one():
    async with run_server(head_seconds=0.5) as server:
        answer = await server.send(b"GET / HTTP/1.1\r\nX: ", *[b"a"] * 15, pause=0.1)

    check(answer, 408, "request-timeout")


async def test_a_body_that_stands_still_is_408():
    async with run_server(body_stall_seconds=0.2) as server:
        answer = await server.send(post(b"Content-Length: 5", body=b"ab"))

    check(answer, 408, "request-timeout")


async def test_a_body_that_trickles_is_408():
    limits = {"body_grace_seconds": 0.4, "body_bytes_per_second": 1000.0}
    async with run_server(**limits) as server:
        trickle = [b"a"] * 25
        answer = await server.send(post(b"Content-Length: 25", body=b""), *trickle, pause=0.1)

    check(answer, 408, "request-timeout")


async def test_a_body_that_comes_fast_enough_may_take_its_time():
    limits = {"body_grace_seconds": 0.4, "body_bytes_per_second": 1000.0}
    async with run_server(**limits) as server:
        pieces = [b"a" * 500] * 8
        answer = await server.send(
            post(b"Content-Length: 4000\r\nConnection: close", body=b""), *pieces, pause=0.2
        )

    assert answer.startswith(b"HTTP/1.1 200")


async def test_silence_is_closed_without_a_word():
    async with run_server(idle_seconds=0.2) as server:
        answer = await server.send(b"")
        after_one = await server.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")

    assert answer == b""
    assert after_one.count(b"HTTP/1.1 200") == 1


async def test_a_refused_head_request_gets_no_body(server):
    answer = await server.send(b"HEAD / HTTP/1.1\r\nX: 1\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 400")
    assert answer.endswith(b"\r\n\r\n")


def check(answer: bytes, status: int, problem: str) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), answer
    assert b"\r\nconnection: close" in head
    assert b"\r\ncontent-type: application/problem+json" in head
    assert b"\r\ndate: " in head
    document = json.loads(body)  # and nothing after it
    assert document["status"] == status
    assert document["type"].startswith(f"/problems/{problem}")
    assert document["title"]
    assert document["detail"]
