"""A recording upstream on a real socket: what arrives as bytes, and answers as bytes."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

Answerer = Callable[["Recorded", asyncio.StreamWriter], Awaitable[None]]

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


@dataclass
class Recorded:
    head: bytes
    body: bytes

    @property
    def request_line(self) -> str:
        return self.head.split(b"\r\n")[0].decode("latin-1")

    def values(self, name: str) -> list[str]:
        wanted = name.lower().encode()
        pairs = [line.partition(b":") for line in self.head.split(b"\r\n")[1:]]
        return [value.strip().decode("latin-1") for key, _, value in pairs if key.lower() == wanted]


@dataclass
class RawUpstream:
    port: int = 0
    answer: bytes = OK
    answerer: Answerer | None = None
    requests: list[Recorded] = field(default_factory=list)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def last(self) -> Recorded:
        return self.requests[-1]


@asynccontextmanager
async def run_raw_upstream():
    upstream = RawUpstream()
    connections: dict[asyncio.StreamWriter, asyncio.Task] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections[writer] = asyncio.current_task()
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                recorded = Recorded(head, b"")
                recorded.body = await _read_body(recorded, reader)
                upstream.requests.append(recorded)
                if upstream.answerer is not None:
                    await upstream.answerer(recorded, writer)
                else:
                    writer.write(upstream.answer)
                    await writer.drain()
        upstream.closed.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()
        for writer, task in connections.items():
            task.cancel()
            writer.close()
        await asyncio.gather(*connections.values(), return_exceptions=True)
        await asyncio.sleep(0)


async def _read_body(recorded: Recorded, reader: asyncio.StreamReader) -> bytes:
    if recorded.values("transfer-encoding"):
        body = b""
        while size := int((await reader.readline()).strip(), 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readline()
        return body
    length = recorded.values("content-length")
    return await reader.readexactly(int(length[0])) if length else b""
