"""RFC 9112: one connection to an upstream, carrying one exchange at a time.

llhttp (httptools) parses; this module keeps the state between its callbacks and the callers.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final, Protocol, cast

import httptools

from gateway.upstream import body, errors
from gateway.upstream.response import UpstreamResponse

NEVER: Final = float("inf")
_MAX_HEAD_BYTES: Final = 64 * 1024
_INTERIM: Final = frozenset({100, 102, 103})  # RFC 9110 §15.2; 101 was never asked for


class Pool(Protocol):
    """Who owns connections."""

    first_byte_timeout_seconds: float
    idle_timeout_seconds: float

    def release(self, connection: "Connection") -> None:
        """Take back a connection whose exchange is over; another may follow."""

    def forget(self, connection: "Connection") -> None:
        """Give up a connection that is gone, or about to be; may be called again."""


class Connection:
    """The state machine of one connection: idle, sending, waiting for a head, reading a body.

    An asyncio.Protocol by shape: a class with a base in Python cannot be compiled (`native_build`).
    """

    __slots__ = (
        "_can_write",
        "_chunks",
        "_final_headers",
        "_headers",
        "_is_chunked",
        "_is_complete",
        "_is_doomed",
        "_is_head",
        "_is_kept",
        "_loop",
        "_parser",
        "_pool",
        "_response",
        "_status",
        "_transport",
        "_unspent",
        "_upload",
        "_violation",
        "_waiter",
        "_whole",
        "address",
        "has_received",
        "is_lost",
        "is_reused",
        "on_body",
        "on_header",
        "read_deadline",
        "write_deadline",
    )
    _final_headers: list[tuple[bytes, bytes]]
    _status: int  # of the final head; 0 until it is here
    _unspent: int  # bytes since the exchange, or the last piece of its body, began
    _whole: bytes
    _violation: str
    _is_head: bool
    _is_chunked: bool
    _is_complete: bool
    _is_kept: bool
    _is_doomed: bool
    has_received: bool

    def __init__(self, pool: Pool, loop: asyncio.AbstractEventLoop, address: str) -> None:
        self._pool = pool
        self.address = address
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[UpstreamResponse] | None = None
        self._response: UpstreamResponse | None = None
        self._upload: asyncio.Task[None] | None = None
        self._can_write: asyncio.Future[None] | None = None
        self._chunks: list[bytes] = []
        self._headers: list[tuple[bytes, bytes]] = []
        # The parser's most frequent callbacks. A closure is half the price of a bound method.
        self.on_body = self._chunks.append
        self.on_header = _collector(self._headers)
        self.is_lost = self.is_reused = False
        self.read_deadline = self.write_deadline = NEVER
        self._parser = httptools.HttpResponseParser(self)
        self._reset(is_head=False)

    # The exchange, called by the client.

    def start(
        self, request: bytes, *, is_head: bool, rest: body.BodySource | None = None, sent: int = 0
    ) -> "asyncio.Future[UpstreamResponse]":
        """Send `request` and then `rest`, of which `sent` bytes are in `request` already.

        The future gives the response once its head is here. Who stops waiting calls `give_up`.
        """
        if self._transport is None:
            raise errors.ConnectionLost("The upstream closed the connection.")
        self._reset(is_head=is_head)
        waiter: asyncio.Future[UpstreamResponse] = self._loop.create_future()
        self._waiter = waiter
        self._transport.write(request)
        if rest is None:
            self.read_deadline = self._loop.time() + self._pool.first_byte_timeout_seconds
        else:
            # Until the body is sent the caller's client sets the pace: only writes are timed.
            self.read_deadline = NEVER
            self._upload = self._loop.create_task(self._send_rest(rest, sent))
        return waiter

    def give_up(self, waiter: "asyncio.Future[UpstreamResponse]") -> None:
        """Drop the exchange that `waiter` stood for, wherever it is by now.

        It may be over and the connection in other hands: those are left alone.
        """
        if waiter is self._waiter:
            self.abort()
        elif not waiter.cancelled() and waiter.exception() is None:
            waiter.result().abort()

    def abort(self) -> None:
        """Drop the connection now."""
        self.fail(errors.ConnectionLost("The exchange was given up."))

    def close(self) -> None:
        """Close a connection that carries no exchange."""
        self.is_lost = True
        self._pool.forget(self)
        if self._transport is not None:
            self._transport.close()

    def expire(self) -> None:
        """Fail the exchange, or close the idle connection: its deadline passed."""
        if self._waiter is None and self._response is None:
            self.close()
        elif self._waiter is not None and self._upload is None:
            seconds = self._pool.first_byte_timeout_seconds
            self.fail(errors.FirstByteTimedOut(f"No response head within {seconds} s."))
        else:
            seconds = self._pool.idle_timeout_seconds
            self.fail(errors.IdleTimedOut(f"No byte moved for {seconds} s."))

    def fail(self, error: BaseException) -> None:
        """Drop the connection; whoever waits on it gets `error`."""
        waiter, self._waiter = self._waiter, None
        response, self._response = self._response, None
        self.is_lost = True
        self._stop_upload()
        self._pool.forget(self)
        if self._transport is not None:
            self._transport.abort()
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
        if response is not None:
            response.fail(error)

    # The response body (`response.BodyFeed`).

    def expect_data(self) -> None:
        """Start the idle clock; a request body that is still being sent stops it (see `start`)."""
        if self._upload is None:
            self.read_deadline = self._loop.time() + self._pool.idle_timeout_seconds

    def pause_reading(self) -> None:
        """Let the socket fill, so that TCP slows the upstream."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Undo `pause_reading`."""
        if self._transport is not None:
            self._transport.resume_reading()

    # The request body (`body.Outlet`).

    def write(self, data: bytes) -> None:
        """Send `data`, or queue it."""
        if self._transport is not None:
            self._transport.write(data)

    async def drain(self) -> None:
        """Wait until the send queue is short, `idle_timeout_seconds` at most."""
        if self._can_write is not None:
            self.write_deadline = self._loop.time() + self._pool.idle_timeout_seconds
            await self._can_write
            self.write_deadline = NEVER

    async def _send_rest(self, source: body.BodySource, sent: int) -> None:
        try:
            await body.send_rest(self, source, sent)
            await self.drain()
        except Exception as error:  # noqa: BLE001 - whatever the source raised, the caller gets it
            self._upload = None
            self.fail(error)
            return
        self._upload = None
        if self._waiter is not None:
            self.read_deadline = self._loop.time() + self._pool.first_byte_timeout_seconds
        elif self._response is not None and self._response.has_reader():
            self.expect_data()

    def _stop_upload(self) -> bool:
        """Whether a request body was still being sent; it is not any more."""
        upload, self._upload = self._upload, None
        if upload is None:
            return False
        self.write_deadline = NEVER
        upload.cancel()
        return True

    # asyncio.Protocol.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if self.is_lost:  # given up while it was being opened
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        waiter = self._waiter
        if waiter is None and self._response is None:
            # Nobody asked: it must never become the answer to the next request.
            self.abort()
            return
        self.has_received = True
        self._unspent += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._stop_parsing(error, data)
        if self._violation:
            self.fail(errors.ProtocolViolation(self._violation))
        elif waiter is None:
            self._continue_body()
        elif self._status:
            self._deliver(waiter)
        elif self._unspent > _MAX_HEAD_BYTES:
            self.fail(errors.ProtocolViolation("The response head is longer than 64 KiB."))

    def eof_received(self) -> None:
        response = self._response
        # RFC 9112 §6.3: without a length, the end of the connection is the end of the body.
        if response is not None and not _has_framing(response.headers):
            self._response = None
            response.finish()
        self.fail(errors.ConnectionLost("The upstream closed the connection."))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.is_lost and exc is None:
            self.eof_received()
        elif not self.is_lost:
            self.fail(errors.ConnectionLost("The upstream reset the connection."))
        self._transport = None
        # Breaks the cycle between parser and protocol.
        self._parser = cast("httptools.HttpResponseParser", None)

    def pause_writing(self) -> None:
        self._can_write = self._loop.create_future()

    def resume_writing(self) -> None:
        waiter, self._can_write = self._can_write, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # httptools callbacks. They set flags: what they raise would hide in the parser's own error.

    def on_message_begin(self) -> None:
        if self._is_complete:
            self._is_kept = False  # bytes beyond the response

    def on_headers_complete(self) -> None:
        if self._status:
            return
        headers = self._headers.copy()
        self._headers.clear()
        status = self._parser.get_status_code()
        if status < 200:
            if status not in _INTERIM:
                self._violation = f"Status {status} was not asked for."
            return
        if self._unspent > _MAX_HEAD_BYTES and _size_of(headers) > _MAX_HEAD_BYTES:
            self._violation = "The response head is longer than 64 KiB."
        self._status = status
        self._final_headers = headers

    def on_chunk_header(self) -> None:
        self._is_chunked = True

    def on_message_complete(self) -> None:
        if self._status and not self._is_complete:
            self._is_complete = True
            self._is_kept = self._parser.should_keep_alive()
            # Taken now: a surplus response in the same bytes would add to the list.
            chunks = self._chunks
            self._whole = chunks[0] if len(chunks) == 1 else b"".join(chunks)
            chunks.clear()

    # Between the callbacks and the caller.

    def _stop_parsing(self, error: Exception, data: bytes) -> None:
        """Note that the parser takes no more, in the middle of `data`."""
        del data
        self._is_kept = False
        if not self._is_complete:
            self._violation = str(error) or "The response is not HTTP/1.1."

    def _reset(self, *, is_head: bool) -> None:
        self._is_head = is_head
        self._status = 0
        self._unspent = 0
        self._whole = b""
        self._violation = ""
        self._is_chunked = self._is_complete = self._is_kept = self._is_doomed = False
        self.has_received = False
        if self._headers:
            self._headers.clear()  # trailers of the response before

    def _deliver(self, waiter: "asyncio.Future[UpstreamResponse]") -> None:
        if waiter.done():  # cancelled; its task has not run since
            self.abort()
            return
        headers = self._final_headers
        if (self._is_chunked or not self._is_complete) and self._has_odd_coding(headers):
            self.fail(errors.ProtocolViolation("Transfer-Encoding is not exactly chunked."))
            return
        if self._is_head:
            self._end_head_response()
        self._waiter = None
        self.read_deadline = NEVER
        if self._is_complete:
            response = UpstreamResponse(self._status, headers, self._whole, None)
            self._end_exchange()
        else:
            response = self._response = UpstreamResponse(self._status, headers, None, self)
            response.push(self._chunks)
            if self._status >= 300:
                # The upstream does not want the body: stop sending it (RFC 9112 §9.5). A 2xx
                # head may come early from an application that answers while it reads.
                self._is_doomed = self._stop_upload()
        waiter.set_result(response)

    def _continue_body(self) -> None:
        response = cast("UpstreamResponse", self._response)
        if self._is_complete:
            self._response = None
            self.read_deadline = NEVER
            response.push([self._whole] if self._whole else [])
            response.finish()
            self._end_exchange()
        elif self._chunks:
            self._unspent = 0
            self.read_deadline = NEVER
            response.push(self._chunks)
        elif self._unspent > _MAX_HEAD_BYTES:
            self.fail(errors.ProtocolViolation("Chunk extensions or trailers exceed 64 KiB."))

    def _end_exchange(self) -> None:
        if self._stop_upload() or self._is_doomed:
            self.fail(errors.ConnectionLost("The request body was not sent to its end."))
        elif self._is_kept and not self._chunks:
            self._pool.release(self)
        else:
            self.close()

    def _end_head_response(self) -> None:
        # RFC 9112 §6.3: no body, whatever the header says. llhttp waits for one: start it anew.
        if not self._is_complete:
            self._is_complete = True
            self._is_kept = self._parser.should_keep_alive()
            self._parser = httptools.HttpResponseParser(self)
        if self._whole or self._chunks:
            self._is_kept = False
        self._whole = b""
        self._chunks.clear()

    def _has_odd_coding(self, headers: list[tuple[bytes, bytes]]) -> bool:
        codings = [value for name, value in headers if name.lower() == b"transfer-encoding"]
        if not codings:
            return False
        return (
            len(codings) > 1
            or codings[0].strip().lower() != b"chunked"
            or self._parser.get_http_version() != "1.1"
        )


def _collector(pairs: list[tuple[bytes, bytes]]) -> Callable[[bytes, bytes], None]:
    append = pairs.append

    def on_header(name: bytes, value: bytes) -> None:
        append((name, value))

    return on_header


def _has_framing(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in headers)


def _size_of(headers: Iterable[tuple[bytes, bytes]]) -> int:
    return sum(len(name) + len(value) + 4 for name, value in headers)
