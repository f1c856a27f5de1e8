"""An origin that keeps what reaches it, read by the strictest parser that we have."""

import asyncio
import threading
from dataclasses import dataclass, field

import httptools

_ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain;charset=utf-8\r\n"
    b"Cache-Control: no-store\r\n\r\nok"
)


@dataclass
class Seen:
    """One request that arrived as a whole, or bytes that are none."""

    target: bytes = b""
    body: bytes = b""
    is_malformed: bool = False
    raw: bytes = b""


class _Connection(asyncio.Protocol):
    def __init__(self, seen: list[Seen]) -> None:
        self._seen = seen
        self._raw = b""
        self._parser = httptools.HttpRequestParser(self)
        self._current = Seen()

    def connection_made(self, transport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._raw += data
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass
        except httptools.HttpParserError:
            self._seen.append(Seen(is_malformed=True, raw=self._raw))
            self._transport.close()

    def on_message_begin(self) -> None:
        self._current = Seen()

    def on_url(self, url: bytes) -> None:
        self._current.target += url

    def on_body(self, body: bytes) -> None:
        self._current.body += body

    def on_message_complete(self) -> None:
        self._current.raw, self._raw = self._raw, b""
        self._seen.append(self._current)
        self._transport.write(_ANSWER)


@dataclass
class RecordingOrigin:
    """Serves on a port of its own, in a thread of its own."""

    seen: list[Seen] = field(default_factory=list)
    port: int = 0

    def start(self) -> "RecordingOrigin":
        self._loop = asyncio.new_event_loop()
        listening = threading.Event()

        async def serve() -> None:
            server = await self._loop.create_server(lambda: _Connection(self.seen), "127.0.0.1", 0)
            self.port = server.sockets[0].getsockname()[1]
            listening.set()
            await server.serve_forever()

        def run() -> None:
            self._task = self._loop.create_task(serve())
            try:
                self._loop.run_until_complete(self._task)
            except asyncio.CancelledError:
                pass
            finally:
                self._loop.close()

        self._thread = threading.Thread(target=run)
        self._thread.start()
        listening.wait(10)
        return self

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(10)
