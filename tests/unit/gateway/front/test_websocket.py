"""WebSockets through the gateway, between a client and a server of another maker."""

import asyncio
import hashlib
import ssl
import time
from contextlib import suppress

import pytest
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Response

from gateway.dataplane.guarded_authority import AuthorityFailed
from gateway.dataplane.guessing import GuessingGuard
from gateway.front import listener
from tests.unit.gateway.front.sockets import (
    ACCEPT,
    HANDSHAKE,
    NEXT,
    NONCE,
    VERSION_13,
    Upstream,
    begin,
    choose,
    open_socket,
    run_gateway,
    send,
    switching_then,
)
from tests.unit.gateway.gateway_process import make_certificate
from tests.unit.gateway.raw_upstream import run_raw_upstream


@pytest.fixture
async def upstream():
    running = Upstream()
    async with serve(
        running.serve, "127.0.0.1", 0, select_subprotocol=choose, max_size=None
    ) as server:
        running.port = server.sockets[0].getsockname()[1]
        yield running


@pytest.fixture
async def gateway(upstream):
    async with run_gateway(f"http://127.0.0.1:{upstream.port}") as running:
        yield running


async def test_messages_pass_both_ways_and_the_upstream_gets_the_jwt(gateway, upstream):
    token = gateway.issue()

    async with open_socket(gateway, token, subprotocols=["orders.v1", "orders.v2"]) as client:
        for message in ("hello", b"\0\xff" * 1000, "x" * 300_000, ""):
            await client.send(message)
            assert await client.recv() == message
        assert client.subprotocol == "orders.v2"
        assert client.response.headers["Server"] == "tollgate"
        assert "PerMessageDeflate" in str(client.protocol.extensions)

    request = upstream.requests[0]
    assert request.path == "/feed"
    assert request.headers["Authorization"].startswith("Bearer eyJ")
    assert token.decode() not in str(request.headers)
    assert request.headers.get_all("Upgrade") == ["websocket"]
    assert request.headers["X-Forwarded-For"] == "127.0.0.1"
    assert await gateway.settles(lambda: upstream.closes)
    assert upstream.closes == [1000]


async def test_a_socket_is_one_call_whose_bytes_are_counted(gateway):
    async with open_socket(gateway, compression=None) as client:
        for _ in range(3):
            await client.send(b"x" * 100)
            await client.recv()
        assert gateway.rows == []

    assert await gateway.settles(lambda: gateway.rows)
    (_, status, sent, received) = gateway.rows[0]
    assert (status, gateway.harness.journal.causes) == (101, ["upstream"])
    assert (sent, received) == (3 * 106 + 8, 3 * 102 + 4)  # masks, and Close on each way
    assert not gateway.harness.plane.in_flight
    assert gateway.harness.counters.read("client_disconnects") == 0


async def test_a_small_socket_over_tls(upstream, tmp_path):
    certificate = make_certificate(tmp_path / "tls")
    context = listener.make_context(certificate, tmp_path / "tls" / "gateway-key.pem")
    trust = ssl.create_default_context(cafile=str(certificate))
    trust.set_alpn_protocols(["http/1.1"])
    async with (
        run_gateway(f"http://127.0.0.1:{upstream.port}", context) as gateway,
        open_socket(gateway, ssl=trust) as client,
    ):
        await client.send("x" * 1_000_000)
        assert len(await client.recv()) == 1_000_000

    assert upstream.requests[0].headers["X-Forwarded-Proto"] == "https"


async def test_an_upstream_behind_tls(tmp_path):
    certificate = make_certificate(tmp_path / "tls")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, tmp_path / "tls" / "gateway-key.pem")
    running = Upstream()
    async with serve(running.serve, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        async with run_gateway(f"https://localhost:{port}") as gateway:
            gateway.harness.upstream_settings = {"ca_pem": certificate.read_text()}
            gateway.configure()
            async with open_socket(gateway) as client:
                await client.send("x" * 1_000_000)
                assert len(await client.recv()) == 1_000_000


async def refusal(gateway, token=None, **settings):
    with pytest.raises(InvalidStatus) as caught:
        await open_socket(gateway, token, **settings)
    return caught.value.response


async def test_nothing_is_switched_without_a_token(gateway, upstream):
    answer = await refusal(gateway, b"tgat_junk")

    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    assert upstream.requests == []


async def test_a_missing_scope_is_403_before_anything_is_switched(gateway, upstream):
    answer = await refusal(gateway, gateway.issue(scope="other"))

    assert answer.status_code == 403
    assert b"/problems/insufficient-scope" in answer.body
    assert upstream.requests == []


async def test_an_api_that_offers_none_is_403_and_metered(gateway, upstream):
    gateway.configure(allow_websocket=False)

    answer = await refusal(gateway)

    assert answer.status_code == 403
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert b'"/problems/websocket-not-allowed"' in answer.body
    assert upstream.requests == []
    assert [row[1] for row in gateway.rows] == [403]


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://app.example", 101),
        ("https://evil.example", 403),
        ("https://app.example.evil.example", 403),
        ("null", 403),
        (None, 101),
    ],
)
async def test_pages_of_other_origins_are_403(gateway, upstream, origin, status):
    gateway.configure(websocket_origins=("https://app.example",))

    if status == 101:
        async with open_socket(gateway, origin=origin):
            pass
    else:
        answer = await refusal(gateway, origin=origin)
        assert answer.status_code == 403
        assert b'"/problems/origin-not-allowed"' in answer.body
        assert upstream.requests == []


@pytest.mark.parametrize(
    ("fields", "status", "problem"),
    [
        (VERSION_13, 400, "bad-request"),
        (VERSION_13 + "Sec-WebSocket-Key: AAAA\r\n", 400, "bad-request"),
        (VERSION_13 + "Sec-WebSocket-Key: !\r\n", 400, "bad-request"),
        (VERSION_13 + NONCE + NONCE, 400, "bad-request"),
        (VERSION_13 + NONCE + "Content-Length: 1\r\n", 400, "bad-request"),
        (VERSION_13 + NONCE + "Transfer-Encoding: chunked\r\n\r\n0\r\n", 400, "bad-request"),
        ("Sec-WebSocket-Version: 8\r\n" + NONCE, 426, "upgrade-required"),
        (VERSION_13 + VERSION_13 + NONCE, 426, "upgrade-required"),
        (NONCE, 426, "upgrade-required"),
    ],
)
async def test_a_handshake_that_is_none_is_refused(gateway, upstream, fields, status, problem):
    answer = await send(gateway, f"{HANDSHAKE}{fields}\r\n{NEXT}")

    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"content-type: application/problem+json\r\n" in answer
    assert f'"/problems/{problem}"'.encode() in answer
    head = answer.partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert (b"sec-websocket-version: 13" in head) is (status == 426)
    assert (b"upgrade: websocket" in head) is (status == 426)
    assert (b"connection: upgrade" in head) is (status == 426)
    assert (b"connection: close" in head) is (status == 400)
    assert upstream.requests == []


async def test_a_handshake_by_another_method_is_400(gateway, upstream):
    answer = await send(gateway, f"{HANDSHAKE}{VERSION_13}{NONCE}\r\n", method="POST")

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert upstream.requests == []


@pytest.mark.parametrize(
    "fields",
    [
        "Connection: close\r\nUpgrade: websocket\r\n",
        "Connection: keep-alive\r\nUpgrade: websocket\r\n",
        "Connection: close, Upgrade\r\nUpgrade: websocket\r\n",
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
        "Connection: Upgrade\r\nUpgrade: h2c, websocket\r\n",
    ],
)
async def test_other_offers_to_upgrade_are_ignored(fields):
    async with (
        run_raw_upstream() as plain,
        run_gateway(plain.url) as gateway,
    ):
        answer = await send(gateway, f"{fields}{VERSION_13}{NONCE}\r\n{NEXT}")

        assert answer.startswith(b"HTTP/1.1 200")
        assert plain.last.values("upgrade") == plain.last.values("http2-settings") == []
        assert plain.last.values("connection") == []


async def test_an_upstream_that_will_not_switch_answers_for_itself(upstream):
    def refuse(connection, request):
        return Response(404, "Not Found", connection.protocol.accept(request).headers, b"no feed")

    async with serve(upstream.serve, "127.0.0.1", 0, process_request=refuse) as server:
        port = server.sockets[0].getsockname()[1]
        async with run_gateway(f"http://127.0.0.1:{port}") as gateway:
            answer = await refusal(gateway)

            assert answer.status_code == 404
            assert await gateway.settles(lambda: [row[1] for row in gateway.rows] == [404])


@pytest.mark.parametrize(
    "answer",
    [
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: bm90IHRoaXMgb25lIGF0IGFsbA==\r\n\r\n"
        ),
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: " + ACCEPT + b"\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
)
async def test_an_upstream_that_switches_wrongly_is_502(answer):
    async with run_raw_upstream() as raw, run_gateway(raw.url) as gateway:
        raw.answer = answer

        said = await send(gateway, f"{HANDSHAKE}{VERSION_13}{NONCE}\r\n{NEXT}")

        assert said.startswith(b"HTTP/1.1 502")
        assert b'"/problems/bad-gateway"' in said
        assert await asyncio.wait_for(raw.closed.wait(), 5)


async def test_a_client_that_leaves_before_101_ends_the_handshake():
    async def think(recorded, writer):
        """Say nothing."""

    async with run_raw_upstream() as raw, run_gateway(raw.url) as gateway:
        raw.answerer = think
        connecting = asyncio.create_task(send(gateway, f"{HANDSHAKE}{VERSION_13}{NONCE}\r\n"))
        assert await gateway.settles(lambda: raw.requests)
        gateway.front.abort_all()

        await asyncio.wait_for(raw.closed.wait(), 5)
        await connecting
        assert [row[1] for row in gateway.rows] == [499]


async def drain(client):
    while True:
        await client.recv()


async def closed_with(client) -> tuple[int, str]:
    """Return code and reason of the Close frame that comes."""
    with pytest.raises(ConnectionClosed) as caught:
        await asyncio.wait_for(drain(client), 5)
    assert caught.value.rcvd is not None, "the connection was cut without a Close frame"
    return caught.value.rcvd.code, caught.value.rcvd.reason


async def test_a_revoked_token_closes_its_sockets_and_no_others(gateway, upstream):
    token = gateway.issue()
    async with (
        open_socket(gateway, token) as one,
        open_socket(gateway, token) as two,
        open_socket(gateway) as other,
    ):
        gateway.harness.cache.revoke([hashlib.sha256(token).digest()], time.monotonic())

        async with asyncio.timeout(1):
            assert await closed_with(one) == (1008, "The access token is no longer valid.")
            assert await closed_with(two) == (1008, "The access token is no longer valid.")
        await other.send("still here")
        assert await other.recv() == "still here"

    assert sorted(upstream.closes) == [1000, 1008, 1008]
    assert await gateway.settles(lambda: [row[1] for row in gateway.rows] == [101] * 3)
    assert len(gateway.harness.plane.tunnels) == 0


async def test_a_token_that_expires_closes_its_socket(gateway):
    gateway.harness.authority.max_age_seconds = 0.3
    token = gateway.issue()
    async with open_socket(gateway, token) as client:
        await asyncio.sleep(0.8)
        await client.send("asked again, and still good")
        assert await client.recv()
        asked = len(gateway.harness.authority.asked)

        del gateway.harness.authority.live[token]
        for watched in gateway.harness.plane.tunnels._open:
            watched._asked_at = 0.0  # ten seconds are over

        assert await closed_with(client) == (1008, "The access token is no longer valid.")
        assert asked == 2


async def test_a_token_service_that_is_away_is_waited_for(gateway):
    gateway.harness.authority.max_age_seconds = 0.2
    async with open_socket(gateway) as client:
        gateway.harness.authority.failure = AuthorityFailed("away")
        await asyncio.sleep(0.8)
        await client.send("patience")
        assert await client.recv() == "patience"

        for watched in gateway.harness.plane.tunnels._open:
            watched._unanswered_since = -100.0

        assert (await closed_with(client))[0] == 1013


async def test_guesses_of_others_at_its_address_do_not_close_a_socket(gateway):
    gateway.harness.authority.max_age_seconds = 0.2
    async with open_socket(gateway) as client:
        guard = gateway.harness.exchange.guessing = GuessingGuard(1)
        guard.note("127.0.0.1", time.monotonic())
        await asyncio.sleep(0.8)

        await client.send("still here")

        assert await client.recv() == "still here"


@pytest.mark.parametrize(
    "change",
    [
        {"subscriptions": ()},
        {"allow_websocket": False},
        {"api_id": "another-in-its-place"},
    ],
)
async def test_a_call_that_would_no_longer_be_allowed_is_closed(gateway, change):
    async with open_socket(gateway) as client:
        gateway.configure()  # another snapshot with the same content changes nothing
        await asyncio.sleep(0.6)
        await client.send("x")
        assert await client.recv() == "x"

        gateway.configure(**change)

        assert await closed_with(client) == (1008, "The call is no longer allowed.")


async def test_silence_is_closed_with_1001(gateway):
    gateway.configure(websocket_idle_seconds=0.5)
    async with open_socket(gateway, ping_interval=None) as client:
        await asyncio.sleep(0.3)
        await client.send("not yet")
        await client.recv()
        before = asyncio.get_running_loop().time()

        assert await closed_with(client) == (1001, "Nothing came for too long.")
        assert asyncio.get_running_loop().time() - before >= 0.3


async def test_winding_down_says_1001_to_both(gateway, upstream):
    async with open_socket(gateway) as client:
        gateway.front.say_goodbye()

        assert await closed_with(client) == (1001, "The gateway is going away.")
    assert await gateway.settles(lambda: upstream.closes == [1001])
    assert await gateway.settles(lambda: not gateway.harness.plane.in_flight)


async def test_a_client_that_vanishes_ends_the_upstreams_side(gateway, upstream):
    client = await open_socket(gateway)
    client.transport.abort()

    assert await gateway.settles(lambda: upstream.closes)
    assert upstream.closes == [None]


async def test_an_upstream_that_vanishes_is_told(gateway, upstream):
    async with open_socket(gateway) as client:
        upstream.open[0].transport.abort()

        assert await closed_with(client) == (1014, "The API behind the gateway went away.")


async def test_a_slow_client_slows_the_upstream(gateway, upstream):
    client = await open_socket(gateway, compression=None, max_queue=1, max_size=None)
    client.transport.pause_reading()
    connection, sent = upstream.open[0], 0
    with suppress(TimeoutError):
        async with asyncio.timeout(0.5):
            while sent < 200:
                await connection.send(b"x" * 1_000_000)
                sent += 1

    assert sent < 60  # the buffers of four sockets, not the 200 MB
    client.transport.resume_reading()
    for _ in range(sent):
        assert len(await client.recv()) == 1_000_000
    client.transport.abort()


async def test_a_slow_upstream_slows_the_client():
    async with run_raw_upstream() as raw, run_gateway(raw.url) as gateway:
        raw.answerer = switching_then(b"")
        _reader, writer = await begin(gateway)
        writer.transport.set_write_buffer_limits(high=0)
        sent = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                while sent < 200:
                    writer.write(b"\x82\xff" + (1_000_000).to_bytes(8, "big") + b"\0" * 1_000_004)
                    await writer.drain()
                    sent += 1

        assert sent < 60


@pytest.mark.parametrize("size", [1, 7, 60])
async def test_frames_sent_with_the_handshake_are_carried_on(gateway, size):
    early = b"\x81\x82\0\0\0\0hi" * 10

    reader, writer = await begin(gateway, early[:size])
    writer.write(early[size:])

    assert await asyncio.wait_for(reader.readexactly(40), 5) == b"\x81\x02hi" * 10
    writer.transport.abort()
