"""A response as the caller sees it: the head now, the body now or piece by piece."""

import asyncio
from typing import Protocol

_HIGH_WATER_BYTES = 256 * 1024


class BodyFeed(Protocol):
    """The connection a body is still arriving on."""

    def expect_data(self) -> None:
        """Someone waits for the next bytes from now on."""

    def pause_reading(self) -> None:
        """Take no more bytes from the socket."""

    def resume_reading(self) -> None:
        """Go on taking bytes from the socket."""

    def abort(self) -> None:
        """Drop the connection."""


class UpstreamResponse:
    """A response whose head has arrived. Read it to the end or call `abort`."""

    __slots__ = (
        "_buffered",
        "_chunks",
        "_error",
        "_feed",
        "_is_paused",
        "_reader",
        "body",
        "headers",
        "status",
    )

    def __init__(
        self,
        status: int,
        headers: list[tuple[bytes, bytes]],
        body: bytes | None,
        feed: BodyFeed | None,
    ) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self._feed = feed
        self._chunks: list[bytes] = [body] if body else []
        self._buffered = 0
        self._is_paused = False
        self._error: BaseException | None = None
        self._reader: asyncio.Future[None] | None = None

    async def read(self) -> bytes:
        """Return the bytes that have arrived, waiting for some; b"" at the end.

        Raises IdleTimedOut, ConnectionLost or ProtocolViolation, after the bytes that came before.
        """
        while not self._chunks:
            if self._error is not None:
                raise self._error
            if self._feed is None:
                return b""
            await self._wait(self._feed)
        return self._take()

    def abort(self) -> None:
        """Drop the connection if the body is not complete; buffered bytes are gone."""
        feed, self._feed = self._feed, None
        if feed is not None:
            self._chunks.clear()
            feed.abort()

    # Called by the connection.

    def push(self, chunks: list[bytes]) -> None:
        """Take over `chunks` (the list is emptied) and slow the sender when they pile up."""
        if not chunks:
            return
        self._chunks += chunks
        self._buffered += sum(map(len, chunks))
        chunks.clear()
        if self._buffered > _HIGH_WATER_BYTES and not self._is_paused and self._feed is not None:
            self._is_paused = True
            self._feed.pause_reading()
        self._wake()

    def finish(self) -> None:
        """Note that the body is complete; the connection is no longer ours."""
        if self._is_paused and self._feed is not None:
            self._feed.resume_reading()
        self._feed = None
        self._wake()

    def fail(self, error: BaseException) -> None:
        """Note that the body will not be complete."""
        self._feed = None
        self._error = error
        self._wake()

    def has_reader(self) -> bool:
        """Whether someone waits in `read`."""
        return self._reader is not None

    async def _wait(self, feed: BodyFeed) -> None:
        reader: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._reader = reader
        feed.expect_data()
        try:
            await reader
        finally:
            self._reader = None

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _take(self) -> bytes:
        chunks = self._chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self._buffered = 0
        if self._is_paused and self._feed is not None:
            self._is_paused = False
            self._feed.resume_reading()
        return data
