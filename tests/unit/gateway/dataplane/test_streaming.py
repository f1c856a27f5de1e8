"""Bodies that do not fit into one piece, either way, and clients that leave."""

import asyncio

import pytest

from tests.unit.gateway.harness import Harness


@pytest.fixture
def token(gateway):
    return gateway.authority.issue()


async def test_a_large_answer_streams_with_its_length(gateway, upstream, token):
    body = b"0123456789" * 100_000
    upstream.answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    answer = await gateway.call(token=token)

    assert answer.body == body
    assert answer.value("content-length") == str(len(body))
    assert answer.is_complete
    assert gateway.journal.rows[0][3] == len(body)


async def test_pieces_arrive_before_the_answer_is_complete(gateway, upstream, token):
    go_on = asyncio.Event()
    pieces = []

    async def events(recorded, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await writer.drain()
        await asyncio.wait_for(go_on.wait(), 5)
        writer.write(b"6\r\nsecond\r\n0\r\n\r\n")

    async def note(message):
        if message.get("body"):
            pieces.append(message["body"])
            go_on.set()

    upstream.answerer = events

    answer = await gateway.call(token=token, on_send=note)

    assert pieces == [b"first", b"second"]
    assert answer.is_complete


async def test_an_answer_that_breaks_off_is_left_incomplete(gateway, upstream, token):
    async def break_off(recorded, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npartial")
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.close()

    upstream.answerer = break_off

    answer = await gateway.call(token=token)

    assert answer.body == b"partial"
    assert not answer.is_complete
    assert gateway.journal.statuses == [200]
    assert gateway.counters.read("upstream_errors") == 1


async def test_a_chunked_request_body_streams_through(gateway, upstream, token):
    chunks = [b"a" * 70_000, b"b" * 70_000, b"c"]

    answer = await gateway.call(
        "/orders/v1/orders",
        method="POST",
        token=token,
        headers=[(b"transfer-encoding", b"chunked")],
        body=chunks,
    )

    assert answer.status == 200
    assert upstream.last.body == b"".join(chunks)
    assert upstream.last.values("transfer-encoding") == ["chunked"]
    assert gateway.journal.rows[0][2] == 140_001


async def test_a_large_body_of_known_length_keeps_its_length(gateway, upstream, token):
    body = b"x" * 300_000

    await gateway.call(
        "/orders/v1/orders",
        method="POST",
        token=token,
        headers=[(b"content-length", b"300000")],
        body=[body[:100_000], body[100_000:]],
    )

    assert upstream.last.body == body
    assert upstream.last.values("content-length") == ["300000"]


@pytest.mark.parametrize("sent", [[b"ab"], [b"ab", b"cdefgh"]])
async def test_a_body_of_another_length_than_announced_is_400(gateway, token, sent):
    answer = await gateway.call(
        "/orders/v1/orders",
        method="POST",
        token=token,
        headers=[(b"content-length", b"5")],
        body=sent,
    )

    assert answer.status == 400
    assert answer.problem["type"] == "/problems/incomplete-body"
    assert answer.value("connection") == "close"


@pytest.mark.parametrize(("body", "expected"), [([], b""), ([b"hello"], b"hello")])
async def test_http2_without_a_length_forwards_what_there_is(
    gateway, upstream, token, body, expected
):
    await gateway.call("/orders/v1/orders", method="POST", token=token, body=body, http_version="2")

    assert upstream.last.body == expected


async def test_a_client_that_leaves_while_an_answer_streams_ends_the_upstream_call(
    gateway, upstream, token
):
    leaves = asyncio.Event()

    async def trickle(recorded, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
        await writer.drain()

    async def leave(message):
        leaves.set()

    upstream.answerer = trickle

    answer = await asyncio.wait_for(gateway.call(token=token, on_send=leave, leaves=leaves), 5)

    await asyncio.wait_for(upstream.closed.wait(), 5)
    assert not answer.is_complete
    assert gateway.counters.read("client_disconnects") == 1
    assert gateway.journal.statuses == [200]


async def test_a_client_that_leaves_while_the_upstream_thinks_ends_the_upstream_call(
    gateway, upstream, token
):
    leaves = asyncio.Event()

    async def think(recorded, writer):
        leaves.set()

    upstream.answerer = think

    answer = await asyncio.wait_for(gateway.call(token=token, leaves=leaves), 5)

    await asyncio.wait_for(upstream.closed.wait(), 5)
    assert answer.status == 0
    assert gateway.journal.statuses == [499]
    assert gateway.plane.in_flight == set()


async def test_a_slow_client_slows_the_upstream(gateway, upstream, token):
    sent = 0

    async def pour(recorded, writer):
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(400):
            writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            await writer.drain()
            sent += 65536
        writer.write(b"0\r\n\r\n")

    peak = 0

    async def dawdle(message):
        nonlocal peak
        if message.get("body") and answered["bytes"] < 65536 * 20:
            answered["bytes"] += len(message["body"])
            await asyncio.sleep(0.02)
            peak = max(peak, sent - answered["bytes"])

    answered = {"bytes": 0}
    upstream.answerer = pour

    answer = await asyncio.wait_for(gateway.call(token=token, on_send=dawdle), 30)

    assert answer.is_complete
    assert peak < 16_000_000  # socket buffers and a quarter of a MiB, not the whole 26 MB


async def test_a_client_that_waits_for_100_continue_is_not_waited_for(gateway):
    answer = await asyncio.wait_for(
        gateway.call(
            "/orders/v1/orders",
            method="POST",
            headers=[(b"content-length", b"300000"), (b"expect", b"100-continue")],
        ),
        0.5,
    )

    assert answer.status == 401
    assert answer.is_complete


@pytest.fixture
async def hurried(upstream):
    harness = Harness(upstream.url, total_timeout_seconds=0.2)
    harness.configure()
    yield harness
    await harness.upstreams.close()


async def test_a_call_that_takes_too_long_as_a_whole_is_504(hurried, upstream):
    async def think(recorded, writer):
        await asyncio.sleep(5)

    upstream.answerer = think

    answer = await hurried.call(token=hurried.authority.issue())

    assert answer.status == 504
    assert answer.problem["type"] == "/problems/gateway-timeout"
    assert answer.problem["detail"] == "The call took longer than this API lets one take."
    assert hurried.journal.statuses == [504]
    await asyncio.wait_for(upstream.closed.wait(), 5)


async def test_a_body_that_never_stands_still_ends_with_the_total_limit(hurried, upstream):
    async def drip(recorded, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1\r\n.\r\n")
            await writer.drain()
            await asyncio.sleep(0.02)

    upstream.answerer = drip

    answer = await asyncio.wait_for(hurried.call(token=hurried.authority.issue()), 5)

    assert answer.status == 200
    assert answer.body
    assert not answer.is_complete
    assert len(hurried.journal.rows) == 1


async def test_a_client_that_drips_its_body_has_the_total_limit_too(hurried):
    answer = await asyncio.wait_for(
        hurried.call(
            "/orders/v1/orders",
            method="POST",
            token=hurried.authority.issue(),
            headers=[(b"content-length", b"5")],
            body=[b"ab", asyncio.Event()],
        ),
        5,
    )

    assert answer.status == 504


async def test_a_call_in_time_is_left_alone(hurried):
    answer = await hurried.call(token=hurried.authority.issue())

    assert answer.status == 200
