"""WebSockets as tests open them, and servers that answer them."""

import asyncio
from functools import partial

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.unit.gateway.front import whole_gateway
from wire.gateway_snapshot import Operation

KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455 §1.3, and what has to be said to it
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
SWITCHED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: " + ACCEPT + b"\r\n\r\n"
)
FEED = (
    Operation("feed", "GET", "/feed", ("orders:read",)),
    Operation("post", "POST", "/feed", ("orders:read",)),
)


run_gateway = partial(whole_gateway.run_gateway, operations=FEED, allow_websocket=True)


def open_socket(gateway, token=None, *, ssl=None, headers=(), **settings):
    token = token or gateway.issue()
    return connect(
        f"{'wss' if ssl else 'ws'}://localhost:{gateway.port}/orders/v1/feed",
        host="127.0.0.1",
        additional_headers=[("Authorization", f"Bearer {token.decode()}"), *headers],
        ssl=ssl,
        proxy=None,
        **settings,
    )


async def send(gateway, raw: str, *, method="GET") -> bytes:
    """Send a head of our own and return what comes until the connection closes."""
    head = f"{method} /orders/v1/feed HTTP/1.1\r\nHost: localhost\r\n"
    head += f"Authorization: Bearer {gateway.issue().decode()}\r\n"
    return await gateway.send((head + raw).encode())


class Upstream:
    """A server that echoes, and remembers."""

    def __init__(self):
        self.requests = []
        self.closes = []
        self.open = []

    async def serve(self, connection):
        self.requests.append(connection.request)
        self.open.append(connection)
        try:
            async for message in connection:
                await connection.send(message)
        except ConnectionClosed:
            pass
        finally:
            close = connection.protocol.close_rcvd
            self.closes.append(close.code if close else None)


def choose(connection, offered):
    return "orders.v2" if "orders.v2" in offered else None


HANDSHAKE = "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
NEXT = "GET /none HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
VERSION_13 = "Sec-WebSocket-Version: 13\r\n"
NONCE = f"Sec-WebSocket-Key: {KEY}\r\n"


def switching_then(*pieces: bytes, pause=0.05):
    """Return an answerer that switches, sends pieces and reads no more."""

    async def answer(recorded, writer):
        writer.write(SWITCHED + pieces[0])
        for piece in pieces[1:]:
            await asyncio.sleep(pause)
            writer.write(piece)
        await asyncio.sleep(30)

    return answer


async def begin(gateway, early=b"", token=None):
    """Return reader and writer of a client of our own making, after 101."""
    reader, writer = await gateway.open()
    head = (
        f"GET /orders/v1/feed HTTP/1.1\r\nHost: localhost\r\n{HANDSHAKE}"
        f"Authorization: Bearer {(token or gateway.issue()).decode()}\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
    )
    writer.write(head.encode() + early)
    answer = await reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 101 Switching Protocols\r\n"), answer
    assert answer.count(b"upgrade: websocket\r\n") == answer.count(b"connection: upgrade\r\n") == 1
    assert b"content-length" not in answer.lower()
    return reader, writer


CLOSE = b"\x88"
