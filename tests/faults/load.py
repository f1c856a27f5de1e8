"""Clients that call without pause and keep exact books, and the API that they call."""

import asyncio
import contextlib
import http.client
import json
import random
import ssl
import threading
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlsplit

CLIENTS = 6
PATHS = ("ok",) * 6 + ("missing", "broken", "long", "chunks")
# Answered before the gateway knew whose call it was: nobody is charged for them, by contract.
_UNMETERED = ("/problems/authority-unavailable", "/problems/not-ready")
_ANSWERS = {
    "ok": b"200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "missing": b"404 Not Found\r\nContent-Length: 2\r\n\r\n{}",
    "broken": b"500 Oops\r\nContent-Length: 2\r\n\r\n{}",
    "long": b"200 OK\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000,
    "chunks": b"200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"5\r\nhello\r\n" * 3
    + b"0\r\n\r\n",
}


@dataclass
class Books:
    """What the clients of one round saw: answers read to their last byte, and calls cut off."""

    completed: Counter[int] = field(default_factory=Counter)
    unmetered: int = 0
    broken: int = 0
    never_sent: int = 0

    def add(self, other):
        self.completed += other.completed
        self.unmetered += other.unmetered
        self.broken += other.broken
        self.never_sent += other.never_sent


class Load:
    """Some clients of one application, each on a connection of its own."""

    def __init__(self, stack, base_path, token):
        self._address = urlsplit(stack.gateway_url)
        self._context = ssl.create_default_context(cafile=stack.ca_file)
        self._base_path = base_path
        self._headers = {"Authorization": f"Bearer {token}"}
        self._stop = threading.Event()
        self._books = [Books() for _ in range(CLIENTS)]
        self._threads = [threading.Thread(target=self._run, args=(own,)) for own in self._books]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()

    def total(self):
        """The books of all clients, when they have stopped."""
        total = Books()
        for own in self._books:
            total.add(own)
        return total

    def _run(self, books):
        while not self._stop.is_set():
            connection = http.client.HTTPSConnection(
                self._address.hostname, self._address.port, timeout=30, context=self._context
            )
            try:
                connection.connect()
            except OSError:
                connection.close()
                books.never_sent += 1
                self._stop.wait(0.02)
                continue
            try:
                while not self._stop.is_set():
                    self._call(connection, books)
            except (OSError, http.client.HTTPException):
                books.broken += 1
            finally:
                connection.close()

    def _call(self, connection, books):
        path = random.choice(PATHS)  # noqa: S311 - no secret
        connection.request("GET", f"{self._base_path}/{path}", headers=self._headers)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status == 503 and json.loads(body)["type"] in _UNMETERED:
            books.unmetered += 1
            self._stop.wait(0.05)
        else:
            books.completed[answer.status] += 1


class API:
    """Serves the answers on loopback, in a thread of its own."""

    def __init__(self):
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._writers = set()
        self._running = self._loop.create_task(self._run())
        self._thread = threading.Thread(target=self._main)

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._running.cancel)
        self._thread.join(10)

    def _main(self):
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._running)
        self._loop.run_until_complete(self._end_connections())
        self._loop.close()

    async def _end_connections(self):
        for writer in tuple(self._writers):  # the gateway keeps its connections
            writer.close()
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})

    async def _run(self):
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        async with server:
            await server.serve_forever()

    async def _serve(self, reader, writer):
        self._writers.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                path = head.split(b" ", 2)[1].decode().rpartition("/")[2]
                writer.write(b"HTTP/1.1 " + _ANSWERS[path])
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()
