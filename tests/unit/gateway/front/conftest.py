import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest
import uvloop

from gateway.dataplane.errors import Refusal
from gateway.front import listener
from gateway.front.limits import Limits
from gateway.front.shared import Front
from tests.unit.gateway.harness import Harness


def pytest_asyncio_loop_factories(config, item):
    return {"uvloop": uvloop.new_event_loop}  # the loop that ships


@dataclass
class Seen:
    method: str
    path: bytes
    query: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""


@dataclass
class Server:
    """A front on a real socket; `handler` answers, by default with what it got."""

    front: Front
    port: int
    handler: object = None
    seen: list[Seen] = field(default_factory=list)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def serve(self, request):
        try:
            await self.take(request)
        finally:
            request.close()

    async def take(self, request):
        seen = Seen(request.method, request.raw_path, request.query, request.headers)
        self.seen.append(seen)
        try:
            if self.handler is not None:
                await self.handler(request)
                return
            while piece := await request.read():
                seen.body += piece
        except Refusal as refusal:  # as the pipeline does
            fields, content = self.front.render(refusal)
            request.answer(refusal.status, fields, content, closes=refusal.closes)
            return
        body = b"%b %b" % (request.raw_path, seen.body)
        request.answer(200, [(b"server", b"test")], body)

    async def send(self, *pieces: bytes, pause: float = 0) -> bytes:
        """Send pieces; return everything until the server closes. TimeoutError if it does not."""
        return await send_until_closed(*await self.connect(), pieces, pause)

    async def send_for_a_moment(self, payload: bytes) -> bytes:
        """Send bytes and return what came back within 0.3 s."""
        reader, writer = await self.connect()
        writer.write(payload)
        await asyncio.sleep(0.3)
        self.front.abort_all()  # what is in the socket can be read still
        return await read_until_closed(reader)

    async def connect(self):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers.append(writer)
        return reader, writer


async def send_until_closed(reader, writer, pieces, pause) -> bytes:
    """Send `pieces` and return what comes until the server closes.

    It is read meanwhile: who goes on to send after an answer may be reset, and lose it.
    """
    reading = asyncio.create_task(read_until_closed(reader))
    for piece in pieces:
        writer.write(piece)
        await asyncio.sleep(pause)
    return await reading


async def read_until_closed(reader) -> bytes:
    content = b""
    with suppress(ConnectionError):
        async with asyncio.timeout(10):
            while piece := await reader.read(65536):
                content += piece
    return content


@asynccontextmanager
async def run_server(context=None, **limits):
    plane = Harness("http://127.0.0.1:1").plane
    server = Server(None, 0)
    scheme = "https" if context else "http"
    front = server.front = Front(plane, server.serve, scheme=scheme, limits=Limits(**limits))
    listening = listener.open_socket("127.0.0.1", 0)
    server.port = listening.getsockname()[1]
    accepting = await listener.listen(front, listening, context)
    clock = asyncio.create_task(front.run())
    try:
        yield server
    finally:
        clock.cancel()
        accepting.close()
        front.abort_all()
        for writer in server.writers:
            writer.transport.abort()
        await asyncio.sleep(0.01)


@pytest.fixture
async def server():
    async with run_server() as running:
        yield running
