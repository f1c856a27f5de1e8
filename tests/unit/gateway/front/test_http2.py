"""HTTP/2 over plain TCP, by prior knowledge, from a client that may misbehave."""

import asyncio
import ssl

import httpx
import pytest
from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes

from gateway.dataplane.errors import IncompleteBody
from gateway.front import listener
from tests.unit.gateway.front.conftest import run_server
from tests.unit.gateway.gateway_process import make_certificate


class Client:
    """h2 on a socket; it may break the rules."""

    def __init__(self, reader, writer, *, grants=True) -> None:
        config = H2Configuration(
            header_encoding=None,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
        self.h2 = H2Connection(config)
        self.reader, self.writer = reader, writer
        self.grants = grants
        self.events = []
        self.h2.initiate_connection()
        self.flush()

    def flush(self):
        self.writer.write(self.h2.data_to_send())

    def request(self, *fields, path=b"/x", method=b"GET", ends=True, authority=b"a"):
        stream = self.h2.get_next_available_stream_id()
        head = [(b":method", method), (b":scheme", b"https"), (b":path", path)]
        if authority is not None:
            head.append((b":authority", authority))
        self.h2.send_headers(stream, [*head, *fields], end_stream=ends)
        self.flush()
        return stream

    async def until(self, kind, stream=None):
        """Return the first event of a kind; the connection's end is an error."""
        async with asyncio.timeout(5):
            while True:
                for event in self.events:
                    if isinstance(event, kind) and (stream is None or event.stream_id == stream):
                        return event
                data = await self.reader.read(65536)
                if not data:
                    raise ConnectionError
                for event in self.h2.receive_data(data):
                    self.events.append(event)
                    if self.grants and isinstance(event, events.DataReceived):
                        self.h2.acknowledge_received_data(
                            event.flow_controlled_length, event.stream_id
                        )
                self.flush()

    async def trickle(self, stream, *, pieces, pause):
        for _ in range(pieces):
            self.h2.send_data(stream, b"a")
            self.flush()
            await asyncio.sleep(pause)

    async def answer(self, stream):
        await self.until(events.StreamEnded, stream)
        head = next(
            dict(event.headers)
            for event in self.events
            if isinstance(event, events.ResponseReceived) and event.stream_id == stream
        )
        body = b"".join(
            event.data
            for event in self.events
            if isinstance(event, events.DataReceived) and event.stream_id == stream
        )
        return int(head[b":status"]), head, body

    async def goodbye(self):
        return (await self.until(events.ConnectionTerminated)).error_code


@pytest.fixture
async def client(server):
    return Client(*await server.connect())


async def test_a_request_and_its_answer(server, client):
    stream = client.request((b"x-a", b"1"), (b"cookie", b"a=b"), path=b"/a%2Fb?c=d")

    status, head, body = await client.answer(stream)

    assert (status, body) == (200, b"/a%2Fb ")
    assert head[b"content-length"] == b"7"
    assert head[b"date"].endswith(b"GMT")
    seen = server.seen[0]
    assert (seen.method, seen.path, seen.query) == ("GET", b"/a%2Fb", b"c=d")
    assert seen.headers == [(b"host", b"a"), (b"x-a", b"1"), (b"cookie", b"a=b")]


async def test_many_at_once_on_one_connection(server, client):
    async def later_ones_first(request):
        number = int(request.raw_path[1:])
        await asyncio.sleep(0.2 - number / 100)
        request.answer(200, [], request.raw_path)

    server.handler = later_ones_first
    streams = [client.request(path=b"/%d" % number) for number in range(20)]

    answers = [await client.answer(stream) for stream in streams]

    assert [body for _, _, body in answers] == [b"/%d" % number for number in range(20)]
    ended = [event.stream_id for event in client.events if isinstance(event, events.StreamEnded)]
    assert ended != sorted(ended)


async def test_a_body_of_each_way_is_carried_through_small_windows(server, client):
    sizes = []

    async def echo(request):
        request.begin(200, [])
        while piece := await request.read():
            sizes.append(len(piece))
            waiting = request.write(piece)
            if waiting is not None:
                await waiting
        request.finish()

    server.handler = echo
    stream = client.request(method=b"POST", ends=False)
    left = 2_000_000
    while left:
        size = min(client.h2.local_flow_control_window(stream), 16384, left)
        if size == 0:
            del client.events[:-1]
            client.events = [e for e in client.events if not isinstance(e, events.WindowUpdated)]
            await client.until(events.WindowUpdated)
            continue
        left -= size
        client.h2.send_data(stream, b"x" * size, end_stream=not left)
        client.flush()
    await client.until(events.StreamEnded, stream)

    assert sum(sizes) == 2_000_000


async def test_nobody_reading_leaves_the_window_closed(server, client):
    go_on = asyncio.Event()

    async def wait(request):
        await go_on.wait()
        request.answer(200, [], b"")

    server.handler = wait
    stream = client.request(method=b"POST", ends=False)
    await client.until(events.RemoteSettingsChanged)
    sent = 0
    while size := min(client.h2.local_flow_control_window(stream), 16384):
        client.h2.send_data(stream, b"x" * size)
        sent += size
    client.flush()
    await asyncio.sleep(0.2)
    assert client.h2.local_flow_control_window(stream) == 0
    assert sent <= 300_000

    go_on.set()
    status, _, _ = await client.answer(stream)
    reset = await client.until(events.StreamReset, stream)

    assert status == 200
    assert reset.error_code == ErrorCodes.NO_ERROR
    # What nobody read is given back to the connection: others can go on.
    other = client.request(method=b"POST", ends=False)
    client.h2.send_data(other, b"x" * 16384, end_stream=True)
    client.flush()
    assert (await client.answer(other))[0] == 200


async def test_a_client_that_grants_nothing_slows_the_answer_and_is_dropped():
    async with run_server(write_stall_seconds=0.5, idle_seconds=0.2) as server:
        written, ended = 0, asyncio.Event()

        async def pour(request):
            nonlocal written
            request.begin(200, [])
            for _ in range(1000):
                written += 65536
                waiting = request.write(b"x" * 65536)
                if waiting is not None:
                    await waiting
                if request._connection is None:
                    break
            ended.set()

        server.handler = pour
        client = Client(*await server.connect(), grants=False)
        stream = client.request()
        reset = await client.until(events.StreamReset, stream)
        await asyncio.wait_for(ended.wait(), 5)

    assert reset.error_code == ErrorCodes.CANCEL
    assert written < 1_000_000


async def test_a_body_that_stands_still_is_408():
    async with run_server(body_stall_seconds=0.3, idle_seconds=0.2) as server:
        client = Client(*await server.connect())
        stream = client.request(method=b"POST", ends=False)

        status, _, body = await client.answer(stream)

    assert status == 408
    assert b"/problems/request-timeout" in body


async def test_a_body_that_trickles_is_408():
    async with run_server(body_grace_seconds=0.6, body_bytes_per_second=1000.0) as server:
        client = Client(*await server.connect())
        stream = client.request(method=b"POST", ends=False)
        trickle = asyncio.create_task(client.trickle(stream, pieces=60, pause=0.1))

        status, _, body = await client.answer(stream)
        trickle.cancel()

    assert status == 408
    assert b"/problems/request-timeout" in body


async def test_an_idle_connection_is_ended():
    async with run_server(idle_seconds=0.2) as server:
        client = Client(*await server.connect())

        assert await client.goodbye() == ErrorCodes.NO_ERROR


async def test_a_reset_ends_the_call(server, client):
    gone = asyncio.Event()

    async def read(request):
        try:
            while await request.read():
                pass
        except IncompleteBody:
            gone.set()

    server.handler = read
    stream = client.request(method=b"POST", ends=False)
    await asyncio.sleep(0.05)
    client.h2.reset_stream(stream, ErrorCodes.CANCEL)
    client.flush()

    await asyncio.wait_for(gone.wait(), 5)


async def test_a_call_that_does_not_end_its_answer_resets_the_stream(server, client):
    async def break_off(request):
        request.begin(200, [])
        request.write(b"partial")

    server.handler = break_off
    stream = client.request()

    assert (await client.until(events.StreamReset, stream)).error_code == ErrorCodes.INTERNAL_ERROR
    server.handler = None
    assert (await client.answer(client.request()))[0] == 200


async def test_rapid_resets_are_enough_at_some_point(server, client):
    await client.until(events.RemoteSettingsChanged)
    for _ in range(300):
        stream = client.h2.get_next_available_stream_id()
        head = [(b":method", b"GET"), (b":scheme", b"https"), (b":path", b"/")]
        client.h2.send_headers(stream, [*head, (b":authority", b"a")], end_stream=False)
        client.h2.reset_stream(stream)
    client.flush()

    assert await client.goodbye() == ErrorCodes.ENHANCE_YOUR_CALM


async def test_pings_are_enough_at_some_point(server, client):
    for _ in range(300):
        client.h2.ping(b"12345678")
    client.flush()

    assert await client.goodbye() == ErrorCodes.ENHANCE_YOUR_CALM


async def test_a_hundred_streams_at_once_and_no_more(server, client):
    async def wait(request):
        await asyncio.sleep(5)

    server.handler = wait
    settings = await client.until(events.RemoteSettingsChanged)
    limit = settings.changed_settings[SettingCodes.MAX_CONCURRENT_STREAMS].new_value
    client.h2.remote_settings[SettingCodes.MAX_CONCURRENT_STREAMS] = 1000
    client.h2.remote_settings.acknowledge()
    for _ in range(limit + 1):
        client.request()

    with pytest.raises((ConnectionError, ProtocolError)):
        await client.until(events.StreamEnded)

    assert limit == 100
    assert len(server.seen) <= limit


@pytest.mark.parametrize(
    "fields",
    [
        [(b"connection", b"close")],
        [(b"transfer-encoding", b"chunked")],
        [(b"upgrade", b"websocket")],
        [(b"te", b"gzip")],
        [(b"host", b"other")],
        [(b"X-Upper", b"1")],
        [(b"x-a", b"1\r\nx-b: 2")],
        [(b":late", b"1")],
        [(b":path", b"/other")],
        [(b"x-a", b"a" * 70_000)],
    ],
)
async def test_what_http2_forbids_ends_the_connection(server, client, fields):
    client.request(*fields)

    assert await client.goodbye() != ErrorCodes.NO_ERROR
    assert server.seen == []


async def test_a_request_for_no_host_ends_the_connection(server, client):
    client.request(authority=None)

    assert await client.goodbye() == ErrorCodes.PROTOCOL_ERROR


async def test_other_mistakes_have_their_status(server, client):
    expectation = client.request((b"expect", b"tea"))
    no_body = client.request((b"content-length", b"5"))
    many = client.request(*[(b"x", b"1")] * 101)

    assert (await client.answer(expectation))[0] == 417
    assert (await client.answer(no_body))[0] == 400
    assert (await client.answer(many))[0] == 431
    assert server.seen == []


async def test_100_continue_is_said_when_the_body_is_read(server, client):
    stream = client.request((b"expect", b"100-continue"), method=b"POST", ends=False)

    await client.until(events.InformationalResponseReceived, stream)
    client.h2.send_data(stream, b"ab", end_stream=True)
    client.flush()

    assert (await client.answer(stream))[2] == b"/x ab"


@pytest.mark.parametrize(("method", "status"), [(b"HEAD", 200), (b"GET", 204), (b"GET", 304)])
async def test_answers_without_a_body(server, client, method, status):
    async def answer(request):
        request.answer(status, [(b"X-Upper", b"1")], b"body")

    server.handler = answer

    found, head, body = await client.answer(client.request(method=method))

    assert (found, body) == (status, b"")
    assert head[b"x-upper"] == b"1"


async def test_winding_down_answers_what_is_open_and_no_more(server, client):
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def wait(request):
        begun.set()
        await go_on.wait()
        request.answer(200, [], b"done")

    server.handler = wait
    stream = client.request()
    await begun.wait()
    server.front.wind_down()
    await asyncio.sleep(0.05)
    go_on.set()
    data = b""
    while piece := await asyncio.wait_for(client.reader.read(65536), 5):
        data += piece

    assert b"\0\0\x08\x07\0\0\0\0\0\0\0\0\x01\0\0\0\0" in data  # GOAWAY, last stream 1, NO_ERROR
    assert data.endswith(b"done" + b"\0\0\0\0\x01" + stream.to_bytes(4, "big"))


async def test_a_frame_that_is_too_long_is_refused_by_its_first_bytes(server, client):
    client.request()
    client.writer.write(b"\x00\x40\x01")  # 16,385 bytes, of which none comes

    assert await client.goodbye() == ErrorCodes.FRAME_SIZE_ERROR


@pytest.mark.parametrize("size", [1, 2, 5, 9, 1000])
async def test_frames_may_come_in_pieces(server, size):
    state = H2Connection(H2Configuration())
    state.initiate_connection()
    head = [(b":method", b"POST"), (b":scheme", b"https"), (b":path", b"/"), (b":authority", b"a")]
    state.send_headers(1, head)
    state.send_data(1, b"x" * 500, end_stream=True)
    stream = state.data_to_send()
    reader, writer = await server.connect()

    for at in range(0, len(stream), size):
        writer.write(stream[at : at + size])
        await asyncio.sleep(0)

    answer = b""
    while b"x" * 500 not in answer:
        answer += await asyncio.wait_for(reader.readexactly(1), 5)


async def test_garbage_ends_the_connection(server):
    assert await server.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"x" * 100)
    assert server.seen == []


async def test_alpn_decides_over_tls(tmp_path):
    certificate = make_certificate(tmp_path / "tls")
    context = listener.make_context(certificate, tmp_path / "tls" / "gateway-key.pem")
    async with run_server(context) as server:
        for http2 in (True, False):
            trust = ssl.create_default_context(cafile=str(certificate))
            async with httpx.AsyncClient(http2=http2, verify=trust, trust_env=False) as client:
                url = f"https://localhost:{server.port}/x"
                answer = await client.post(url, content=b"y" * 300_000)

            assert answer.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
            assert len(answer.content) == 300_003
