"""A front and the stages behind it on a real socket: everything but the processes."""

import asyncio
from contextlib import asynccontextmanager
from functools import partial

from gateway.dataplane.pipeline import serve_call
from gateway.front import listener
from gateway.front.limits import Limits
from gateway.front.shared import Front
from tests.unit.gateway.front.conftest import send_until_closed
from tests.unit.gateway.harness import Harness


class Gateway:
    def __init__(self, harness: Harness, front: Front, port: int) -> None:
        self.harness = harness
        self.front = front
        self.port = port
        self.operations = ()
        self.settings = {}
        self.writers = []

    def configure(self, **settings):
        self.harness.configure(*self.operations, **{**self.settings, **settings})

    def issue(self, **claims) -> bytes:
        return self.harness.authority.issue(**claims)

    async def open(self):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers.append(writer)
        return reader, writer

    async def send(self, *pieces: bytes, pause=0.0) -> bytes:
        """Send pieces and return what comes until the connection closes."""
        return await send_until_closed(*await self.open(), pieces, pause)

    @property
    def rows(self):
        return self.harness.journal.rows

    async def settles(self, condition) -> bool:
        for _ in range(200):
            if condition():
                return True
            await asyncio.sleep(0.01)
        return False


@asynccontextmanager
async def run_gateway(url, context=None, *, operations=(), limits=None, upstream=None, **settings):
    """`upstream` are settings of the upstream, the rest are of the API."""
    harness = Harness(url, **(upstream or {}))
    plane = harness.plane
    plane.hosts = frozenset({"localhost"})
    scheme = "https" if context else "http"
    limits = Limits(**(limits or {}))
    front = Front(plane, partial(serve_call, plane), scheme=scheme, limits=limits)
    listening = listener.open_socket("127.0.0.1", 0)
    gateway = Gateway(harness, front, listening.getsockname()[1])
    gateway.operations, gateway.settings = operations, settings
    gateway.configure()
    accepting = await listener.listen(front, listening, context)
    tasks = [asyncio.create_task(front.run()), asyncio.create_task(plane.tunnels.run(plane))]
    try:
        yield gateway
    finally:
        for task in tasks:
            task.cancel()
        accepting.close()
        for writer in gateway.writers:
            writer.transport.abort()
        front.abort_all()
        await gateway.settles(lambda: not plane.in_flight)
        await harness.upstreams.close()
