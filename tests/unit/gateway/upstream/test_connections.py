"""Pooling, repeating, time limits, early answers and back-pressure.

Above 500 lines because every case is a short script for the same raw server and reads best beside
its neighbours.
"""

import asyncio
import datetime as dt
import resource
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.upstream import errors
from tests.unit.gateway.upstream.conftest import Pieces, read_all

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Recorder:
    """A script that counts connections and answers each request with OK, after `pause`."""

    def __init__(self, pause=0.0):
        self.pause = pause
        self.connections = 0
        self.requests = []
        self.in_flight = self.most_in_flight = 0

    async def __call__(self, peer):
        self.connections += 1
        while True:
            head, _ = await peer.request()
            self.in_flight += 1
            self.most_in_flight = max(self.in_flight, self.most_in_flight)
            self.requests.append(head.split(b" ")[1])
            await asyncio.sleep(self.pause)
            self.in_flight -= 1
            await peer.send(OK)


async def test_sequential_requests_share_one_connection(serve, connect):
    upstream = Recorder()
    client = connect(await serve(upstream))

    for number in range(5):
        assert (await client.send(b"GET", b"/%d" % number, [], b"")).body == b"ok"

    assert upstream.connections == 1
    assert upstream.requests == [b"/0", b"/1", b"/2", b"/3", b"/4"]


async def test_connections_are_bounded_and_waiters_served_in_order(serve, connect):
    upstream = Recorder(pause=0.02)
    client = connect(await serve(upstream), max_connections=2)

    await asyncio.gather(*[client.send(b"GET", b"/%d" % n, [], b"") for n in range(9)])

    assert upstream.most_in_flight <= 2
    assert upstream.connections == 2
    assert sorted(upstream.requests[:2]) == [b"/0", b"/1"]
    assert upstream.requests[2:] != []
    positions = [int(target[1:]) for target in upstream.requests]
    assert all(abs(at - number) <= 1 for at, number in enumerate(positions))


async def test_waiting_for_a_connection_has_a_time_limit(serve, connect):
    client = connect(await serve(Recorder(pause=2)), max_connections=1, connect_timeout_seconds=0.1)
    busy = asyncio.ensure_future(client.send(b"GET", b"/", [], b""))
    await asyncio.sleep(0.05)

    with pytest.raises(errors.PoolTimedOut) as caught:
        await client.send(b"GET", b"/", [], b"")

    assert caught.value.retryable
    busy.cancel()


async def test_cancelled_waiter_loses_no_slot(serve, connect):
    client = connect(await serve(Recorder(pause=0.05)), max_connections=1)
    sends = [asyncio.ensure_future(client.send(b"GET", b"/", [], b"")) for _ in range(4)]
    await asyncio.sleep(0.02)
    sends[0].cancel()
    sends[2].cancel()

    outcomes = await asyncio.gather(*sends, return_exceptions=True)
    again = await client.send(b"GET", b"/", [], b"")

    assert [type(outcome).__name__ for outcome in outcomes] == [
        "CancelledError",
        "UpstreamResponse",
        "CancelledError",
        "UpstreamResponse",
    ]
    assert again.body == b"ok"


async def test_connection_handed_to_a_cancelled_waiter_goes_to_the_next(serve, connect):
    async def script(peer):
        await peer.request()
        while True:
            await peer.request()
            await peer.send(OK)

    client = connect(await serve(script), max_connections=1)
    sends = [asyncio.ensure_future(client.send(b"GET", b"/", [], b"")) for _ in range(3)]
    await asyncio.sleep(0.05)

    # The first response arrives, so the second task is handed the connection; it is cancelled
    # before it runs.
    (connection,) = client._pool._connections
    connection.data_received(OK)
    sends[1].cancel()

    assert (await sends[2]).body == b"ok"
    assert len(client._idle) == 1


async def test_failed_connects_lose_no_slot(connect):
    client = connect("http://localhost:1", max_connections=2)

    for _ in range(5):
        outcomes = await asyncio.gather(
            *[client.send(b"GET", b"/", [], b"") for _ in range(4)], return_exceptions=True
        )
        assert {type(outcome) for outcome in outcomes} == {errors.ConnectFailed}
    assert client._pool._slots_taken == 0


async def test_unknown_host_is_a_failed_connect(connect):
    with pytest.raises(errors.ConnectFailed):
        await connect("http://does-not-exist.invalid").send(b"GET", b"/", [], b"")


async def test_connect_has_a_time_limit(serve, connect):
    async def silent(peer):
        await asyncio.sleep(5)

    # A TLS handshake that nobody answers.
    url = (await serve(silent)).replace("http:", "https:")

    with pytest.raises(errors.ConnectTimedOut):
        await connect(url, connect_timeout_seconds=0.1).send(b"GET", b"/", [], b"")


async def test_first_byte_has_a_time_limit(serve, connect):
    client = connect(await serve(Recorder(pause=5)), first_byte_timeout_seconds=0.1)

    with pytest.raises(errors.FirstByteTimedOut):
        await client.send(b"GET", b"/", [], b"")
    assert client._pool._slots_taken == 0


async def test_body_that_stands_still_has_a_time_limit(serve, connect):
    async def script(peer):
        await peer.request_head()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
        await asyncio.sleep(5)

    client = connect(await serve(script), idle_timeout_seconds=0.1)
    response = await client.send(b"GET", b"/", [], b"")

    assert await response.read() == b"abc"
    with pytest.raises(errors.IdleTimedOut):
        await response.read()


async def test_slow_body_that_moves_is_not_idle(serve, connect):
    async def script(peer):
        await peer.request_head()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n")
        for _ in range(8):
            await asyncio.sleep(0.1)
            await peer.send(b"x")
        await peer.reader.read()

    client = connect(await serve(script), idle_timeout_seconds=0.4)

    assert await read_all(await client.send(b"GET", b"/", [], b"")) == b"x" * 8


async def test_slow_reader_does_not_make_the_upstream_late(serve, connect):
    client = connect(await serve(_large(1_000_000)), idle_timeout_seconds=0.1)
    response = await client.send(b"GET", b"/", [], b"")

    await asyncio.sleep(0.4)

    assert len(await read_all(response)) == 1_000_000


async def test_upstream_that_takes_no_body_has_a_time_limit(serve, connect):
    async def script(peer):
        await peer.request_head()
        await asyncio.sleep(5)

    client = connect(await serve(script), idle_timeout_seconds=0.1)

    with pytest.raises(errors.IdleTimedOut):
        await client.send(b"POST", b"/", [], b"x" * 30_000_000)


async def test_slow_client_body_does_not_make_the_upstream_late(serve, connect):
    async def script(peer):
        await peer.request()
        await peer.send(OK)

    client = connect(await serve(script), first_byte_timeout_seconds=0.1, idle_timeout_seconds=0.1)
    source = Pieces(b"a", 0.3, b"b", 0.3, b"c", length=3)

    assert (await client.send(b"POST", b"/", [], source)).body == b"ok"


async def test_first_byte_limit_starts_when_the_body_is_sent(serve, connect):
    async def script(peer):
        await peer.request()
        await asyncio.sleep(5)

    client = connect(await serve(script), first_byte_timeout_seconds=0.1)

    with pytest.raises(errors.FirstByteTimedOut):
        await client.send(b"POST", b"/", [], Pieces(b"a", 0.01, b"b", length=2))


# Stale connections.


class ClosesAfterFirst:
    """Closes each connection when a second request arrives on it, without an answer."""

    def __init__(self):
        self.seen = []

    async def __call__(self, peer):
        self.seen.append((await peer.request())[1])
        await peer.send(OK)
        self.seen.append((await peer.request())[1])
        peer.reset()


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"])
async def test_idempotent_request_on_a_stale_connection_is_sent_again(serve, connect, method):
    upstream = ClosesAfterFirst()
    client = connect(await serve(upstream))
    await client.send(b"GET", b"/", [], b"")
    body = b"data" if method == b"PUT" else b""

    response = await client.send(method, b"/", [], body)

    assert response.status == 200
    assert upstream.seen == [b"", body, body]


async def test_large_body_on_a_stale_connection_is_sent_again(serve, connect):
    upstream = ClosesAfterFirst()
    client = connect(await serve(upstream))
    await client.send(b"GET", b"/", [], b"")

    response = await client.send(b"PUT", b"/", [], b"x" * 200_000)

    assert (response.status, len(upstream.seen[-1])) == (200, 200_000)


@pytest.mark.parametrize("method", [b"POST", b"PATCH"])
async def test_other_request_on_a_stale_connection_is_never_sent_twice(serve, connect, method):
    upstream = ClosesAfterFirst()
    client = connect(await serve(upstream))
    await client.send(b"GET", b"/", [], b"")

    with pytest.raises(errors.ConnectionLost) as caught:
        await client.send(method, b"/", [], b"data")

    assert not caught.value.retryable
    assert upstream.seen == [b"", b"data"]


async def test_streamed_body_is_never_sent_twice(serve, connect):
    upstream = ClosesAfterFirst()
    client = connect(await serve(upstream))
    await client.send(b"GET", b"/", [], b"")

    with pytest.raises(errors.ConnectionLost):
        await client.send(b"PUT", b"/", [], Pieces(b"ab", 0.01, b"cd", length=4))


async def test_request_is_repeated_once_only(serve, connect):
    count = 0

    async def script(peer):
        nonlocal count
        count += 1
        await peer.request()
        if peer.number == 0:
            await peer.send(OK)
            await peer.request()
        peer.reset()

    client = connect(await serve(script))
    await client.send(b"GET", b"/", [], b"")

    with pytest.raises(errors.ConnectionLost):
        await client.send(b"GET", b"/", [], b"")
    assert count == 2


async def test_request_is_not_repeated_once_a_response_began(serve, connect):
    connections = set()

    async def script(peer):
        connections.add(peer.number)
        await peer.request()
        await peer.send(OK)
        await peer.request()
        await peer.send(b"HTTP/1.1 2")

    client = connect(await serve(script))
    await client.send(b"GET", b"/", [], b"")

    with pytest.raises(errors.ConnectionLost):
        await client.send(b"GET", b"/", [], b"")
    assert connections == {0}


async def test_connection_closed_while_idle_is_not_used(serve, connect):
    async def script(peer):
        await peer.request()
        await peer.send(OK)

    client = connect(await serve(script))
    for _ in range(3):
        assert (await client.send(b"POST", b"/", [], b"x")).body == b"ok"
        await asyncio.sleep(0.02)


# Early answers and streaming both ways.


async def test_early_refusal_stops_the_body_and_the_connection_is_not_reused(serve, connect):
    async def script(peer):
        await peer.request_head()
        await peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        await peer.reader.read(10)
        await asyncio.sleep(5)

    client = connect(await serve(script))
    source = Pieces(*[b"x" * 1000, 0.05] * 1000, length=1_000_000)

    response = await client.send(b"POST", b"/", [], source)
    await asyncio.sleep(0.1)
    taken = source.taken
    await asyncio.sleep(0.1)

    assert (response.status, response.body) == (413, b"no")
    assert source.taken == taken < 100
    assert client._pool._slots_taken == 0


async def test_early_refusal_with_a_long_body_is_read_to_its_end(serve, connect):
    async def script(peer):
        await peer.request_head()
        await peer.send(b"HTTP/1.1 400 Bad\r\nContent-Length: 6\r\n\r\nabc")
        await asyncio.sleep(0.2)
        await peer.send(b"def")
        await peer.reader.read()

    client = connect(await serve(script))
    source = Pieces(*[b"x", 0.01] * 1000, length=1000)

    response = await client.send(b"POST", b"/", [], source)
    taken = source.taken
    body = await read_all(response)

    assert body == b"abcdef"
    assert source.taken == taken  # no more was asked for after the head
    assert client._pool._slots_taken == 0


async def test_large_bytes_body_is_refused_early_too(serve, connect):
    async def script(peer):
        await peer.request_head()
        await peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        await asyncio.sleep(5)

    client = connect(await serve(script))

    assert (await client.send(b"POST", b"/", [], b"x" * 30_000_000)).status == 413


async def test_echo_streams_both_ways_at_once(serve, connect):
    async def script(peer):
        await peer.request_head()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        for _ in range(100):
            await peer.send(await peer.reader.readexactly(10_000))
        await peer.reader.read()

    client = connect(await serve(script))
    source = Pieces(*[bytes([n]) * 10_000 for n in range(100)], length=1_000_000)
    expected = b"".join(source.pieces)

    response = await client.send(b"POST", b"/", [], source)

    assert await read_all(response) == expected
    assert len(client._idle) == 1


@pytest.mark.parametrize("pieces", [(b"abc",), (b"abc", 0.01, b"defg"), (b"abcdefg",)])
async def test_body_of_another_length_than_announced_drops_the_connection(serve, connect, pieces):
    async def script(peer):
        await peer.request()
        await peer.send(OK)

    client = connect(await serve(script))

    with pytest.raises(errors.RequestBodyMismatch):
        await client.send(b"POST", b"/", [], Pieces(*pieces, length=6))
    assert client._pool._slots_taken == 0


async def test_announced_length_ends_a_body_that_does_not_say_so(serve, connect):
    client = connect(await serve(Recorder()))

    response = await client.send(b"POST", b"/", [], Pieces(b"abc", 0.01, b"def", 60.0, length=6))
    await asyncio.sleep(0.05)

    assert response.body == b"ok"
    assert len(client._idle) == 1


async def test_what_the_body_source_raises_reaches_the_caller(serve, connect):
    class ClientWentAway(Exception):
        pass

    client = connect(await serve(Recorder()))
    source = Pieces(b"abc", 0.01, ClientWentAway(), length=6)

    with pytest.raises(ClientWentAway):
        await client.send(b"POST", b"/", [], source)
    assert client._pool._slots_taken == 0


async def test_cancelled_send_drops_the_connection(serve, connect):
    gone = asyncio.Event()

    async def script(peer):
        await peer.request()
        await peer.reader.read()
        gone.set()

    client = connect(await serve(script))
    send = asyncio.ensure_future(client.send(b"GET", b"/", [], b""))
    await asyncio.sleep(0.05)
    send.cancel()

    await asyncio.wait_for(gone.wait(), 2)
    assert client._pool._slots_taken == 0


async def test_cancelling_a_finished_send_leaves_the_next_one_on_its_connection_alone(
    serve, connect
):
    async def script(peer):
        await peer.request()
        await peer.request()
        await peer.send(OK)

    client = connect(await serve(script), max_connections=1)
    first = asyncio.ensure_future(client.send(b"GET", b"/1", [], b""))
    await asyncio.sleep(0.05)
    second = asyncio.ensure_future(client.send(b"POST", b"/2", [], b""))
    await asyncio.sleep(0.05)

    # The response arrives, the next request gets the connection, and only then is the first
    # task, which has not run since, cancelled.
    (connection,) = client._pool._connections
    connection.data_received(OK)
    first.cancel()

    assert (await second).body == b"ok"
    assert first.cancelled()


async def test_cancelled_send_whose_head_has_just_come_drops_the_connection(serve, connect):
    client = connect(await serve(Recorder(pause=5)))
    send = asyncio.ensure_future(client.send(b"GET", b"/", [], b""))
    await asyncio.sleep(0.05)

    (connection,) = client._pool._connections
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
    send.cancel()
    await asyncio.wait([send])

    assert client._pool._slots_taken == 0


async def test_cancelled_waiters_do_not_pile_up(serve, connect):
    client = connect(await serve(Recorder(pause=5)), max_connections=1)
    sends = [asyncio.ensure_future(client.send(b"GET", b"/", [], b"")) for _ in range(20)]
    await asyncio.sleep(0.05)

    for send in sends[1:]:
        send.cancel()
    await asyncio.wait(sends[1:])

    assert not client._pool._waiters


async def test_abort_drops_the_connection(serve, connect):
    gone = asyncio.Event()

    async def script(peer):
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
        await peer.reader.read()
        gone.set()

    client = connect(await serve(script))
    response = await client.send(b"GET", b"/", [], b"")
    response.abort()

    await asyncio.wait_for(gone.wait(), 2)
    assert client._pool._slots_taken == 0


async def test_abort_after_the_end_keeps_the_connection(serve, connect):
    client = connect(await serve(Recorder()))

    (await client.send(b"GET", b"/", [], b"")).abort()

    assert len(client._idle) == 1


def _large(size):
    async def script(peer):
        await peer.request_head()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        left = size
        while left:
            piece = min(left, 256 * 1024)
            await peer.send(b"x" * piece)
            left -= piece
        await peer.reader.read()

    return script


async def test_unread_response_holds_the_upstream_back(serve, connect):
    progress = []

    async def script(peer):
        await peer.request_head()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        for sent in range(1000):
            progress.append(sent)
            await peer.send(b"x" * 100_000)
        await peer.reader.read()

    client = connect(await serve(script))
    response = await client.send(b"GET", b"/", [], b"")
    await asyncio.sleep(0.3)
    held_at = len(progress)
    await asyncio.sleep(0.2)

    assert len(progress) == held_at < 500
    assert response._buffered < 2_000_000
    assert len(await read_all(response)) == 100_000_000
    assert len(client._idle) == 1


async def test_large_bodies_both_ways_take_constant_memory(serve, connect):
    size = 256 * 1024 * 1024

    class Zeros:
        length = size
        left = size

        async def read(self):
            piece = min(self.left, 64 * 1024)
            self.left -= piece
            return bytes(piece)

    async def script(peer):
        await peer.request_head()
        left = size
        while left:
            left -= len(await peer.reader.read(min(left, 1024 * 1024)))
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // (256 * 1024)):
            await peer.send(bytes(256 * 1024))
        await peer.reader.read()

    client = connect(await serve(script))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    response = await client.send(b"POST", b"/", [], Zeros())
    received = 0
    while piece := await response.read():
        received += len(piece)

    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert received == size
    assert grown_kib < 64 * 1024


# Closing.


async def test_close_waits_for_busy_connections_and_ends_idle_ones(serve, connect):
    client = connect(await serve(Recorder(pause=0.1)))
    await client.send(b"GET", b"/", [], b"")
    sends = [asyncio.ensure_future(client.send(b"GET", b"/", [], b"")) for _ in range(2)]
    await asyncio.sleep(0.05)

    await client.close()

    assert [(await send).body for send in sends] == [b"ok", b"ok"]
    assert client._pool._slots_taken == 0


async def test_request_after_close_works_on_a_connection_of_its_own(serve, connect):
    client = connect(await serve(Recorder()))
    await client.close()

    assert (await client.send(b"GET", b"/", [], b"")).body == b"ok"
    assert not client._idle


async def test_cancelled_close_drops_busy_connections(serve, connect):
    client = connect(await serve(Recorder(pause=5)))
    send = asyncio.ensure_future(client.send(b"GET", b"/", [], b""))
    await asyncio.sleep(0.05)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.close(), 0.05)

    with pytest.raises(errors.ConnectionLost):
        await send


# TLS.


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Return (PEM file with key and certificate, certificate PEM) for localhost."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM).decode()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_text(private + pem)
    return path, pem


def _server_context(path, newest=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    if newest:
        context.maximum_version = newest
    return context


async def test_https_upstream_with_its_own_ca(serve, connect, certificate):
    path, pem = certificate
    upstream = Recorder()
    client = connect(await serve(upstream, tls=_server_context(path)), ca_pem=pem)

    for _ in range(3):
        assert (await client.send(b"GET", b"/", [], b"")).body == b"ok"
    large = await client.send(b"POST", b"/", [], b"x" * 500_000)

    assert large.body == b"ok"
    assert upstream.connections == 1


async def test_unknown_ca_is_refused(serve, connect, certificate):
    client = connect(await serve(Recorder(), tls=_server_context(certificate[0])))

    with pytest.raises(errors.ConnectFailed, match="certificate"):
        await client.send(b"GET", b"/", [], b"")


async def test_certificate_for_another_host_is_refused(serve, connect, certificate):
    url = await serve(Recorder(), tls=_server_context(certificate[0]))
    client = connect(url.replace("localhost", "127.0.0.1"), ca_pem=certificate[1])

    with pytest.raises(errors.ConnectFailed, match="certificate"):
        await client.send(b"GET", b"/", [], b"")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1:DeprecationWarning")
async def test_tls_below_1_2_is_refused(serve, connect, certificate):
    context = _server_context(certificate[0], ssl.TLSVersion.TLSv1_1)
    client = connect(await serve(Recorder(), tls=context), ca_pem=certificate[1])

    with pytest.raises(errors.ConnectFailed):
        await client.send(b"GET", b"/", [], b"")


def test_ca_without_a_certificate_is_refused(connect):
    with pytest.raises(ValueError, match="ca_pem"):
        connect("https://localhost", ca_pem="not a certificate")
