"""A scripted upstream: bytes in, bytes out, on a real loopback socket."""

import asyncio
import contextlib
import re
import ssl
from collections.abc import Awaitable, Callable

import pytest
import uvloop

from gateway.upstream.client import UpstreamClient

Script = Callable[["Peer"], Awaitable[None]]
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class Peer:
    """The upstream's end of one connection."""

    def __init__(self, reader, writer, number):
        self.reader = reader
        self.writer = writer
        self.number = number  # of the connection, from 0

    async def request_head(self) -> bytes:
        return await self.reader.readuntil(b"\r\n\r\n")

    async def request(self) -> tuple[bytes, bytes]:
        """Head and body of a request with a Content-Length or none."""
        head = await self.request_head()
        match = _LENGTH.search(head)
        return head, await self.reader.readexactly(int(match[1])) if match else b""

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    def reset(self) -> None:
        self.writer.transport.abort()


def pytest_asyncio_loop_factories(config, item):
    return {"uvloop": uvloop.new_event_loop}  # what the gateway runs on


@pytest.fixture
async def serve():
    """Return `start(script, tls=None) -> url`; each connection runs the script."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(script: Script, tls: ssl.SSLContext | None = None) -> str:
            tasks: set[asyncio.Task] = set()
            count = 0

            async def on_connection(reader, writer):
                nonlocal count
                peer = Peer(reader, writer, count)
                count += 1
                tasks.add(asyncio.current_task())
                try:
                    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                        await script(peer)
                finally:
                    writer.close()

            server = await asyncio.start_server(
                on_connection, "127.0.0.1", 0, ssl=tls, limit=4 * 1024 * 1024
            )

            async def stop():
                server.close()
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await asyncio.sleep(0.01)  # let the transports close

            stack.push_async_callback(stop)
            scheme = "https" if tls else "http"
            return f"{scheme}://localhost:{server.sockets[0].getsockname()[1]}"

        yield start


@pytest.fixture
async def connect():
    """Return `make(url, **options) -> UpstreamClient`; what is left open is dropped at the end."""
    clients = []

    def make(url: str, **options) -> UpstreamClient:
        options = {
            "connect_timeout_seconds": 5.0,
            "first_byte_timeout_seconds": 5.0,
            "idle_timeout_seconds": 5.0,
        } | options
        clients.append(UpstreamClient(url=url, **options))
        return clients[-1]

    yield make
    for client in clients:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(client.close(), 0.05)


async def read_all(response) -> bytes:
    pieces = []
    while piece := await response.read():
        pieces.append(piece)
    return b"".join(pieces)


class Pieces:
    """A request body that arrives piece by piece; a number is a pause in seconds."""

    def __init__(self, *pieces, length=None):
        self.length = length
        self.pieces = list(pieces)
        self.taken = 0

    async def read(self) -> bytes:
        while self.pieces:
            piece = self.pieces.pop(0)
            self.taken += 1
            if isinstance(piece, bytes):
                return piece
            if isinstance(piece, Exception):
                raise piece
            await asyncio.sleep(piece)
        return b""
