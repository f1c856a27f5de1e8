"""RFC 9112: one connection of a client, one request at a time, answered in order.

llhttp (httptools) parses. It is never given a byte beyond the message it is at: heads and chunked
bodies end with an empty line, so what arrives is cut there, and other bodies by their length. What
comes after is kept until the answer is out, or thrown away with the connection.
"""

import asyncio
from typing import TYPE_CHECKING, cast

import httptools

from gateway.dataplane.call import Call
from gateway.dataplane.errors import HeadersTooLarge, Refusal, URITooLong
from gateway.front import answer_head, request_head
from gateway.front.errors import BadFraming, RequestTimedOut
from gateway.front.http1_request import Http1Request
from gateway.front.limits import BODY_TOO_SLOW, NEVER
from gateway.front.shared import Front, Successor, peer_of

if TYPE_CHECKING:
    from gateway.front.outlet import Outlet


class Http1Connection:
    """An asyncio.Protocol by shape: a base in Python keeps a class from being compiled.

    The states: between requests, in a head, in a call (its body arriving or not), closing.
    """

    __slots__ = (
        "_ahead",
        "_body_bytes",
        "_buffered",
        "_can_write",
        "_chunks",
        "_current",
        "_fed_bytes",
        "_has_eof",
        "_has_head",
        "_head",
        "_headers",
        "_is_answered",
        "_is_closing",
        "_is_lingering",
        "_is_paused",
        "_left",
        "_outlet",
        "_parser",
        "_reader",
        "_tail",
        "_target",
        "_transport",
        "_waited",
        "body_error",
        "deadline",
        "front",
        "has_whole_request",
        "is_lost",
        "keeps",
        "on_body",
        "on_header",
        "peer",
        "write_deadline",
    )
    _head: bytes  # what came of it, verbatim
    _target: bytes
    _has_head: bool
    _left: int  # of a body with a length; -1 for chunks
    _tail: bytes  # the last bytes of chunks, where an empty line may have begun
    _fed_bytes: int
    _waited: float  # s, for the body
    _body_bytes: int
    _buffered: int
    _is_answered: bool  # the rest of the body is for nobody
    has_whole_request: bool
    body_error: Refusal | None
    keeps: bool

    def __init__(self, front: Front) -> None:
        self.front = front
        self.deadline = front.now + front.limits.idle_seconds
        self.write_deadline = NEVER
        self._transport: asyncio.Transport | None = None
        self._outlet: Outlet | None = None
        self.peer = ""
        self._current: Http1Request | None = None
        self._ahead = b""
        self._has_eof = False
        self._is_closing = self._is_lingering = self._is_paused = self.is_lost = False
        self._can_write: asyncio.Future[None] | None = None
        self._reader: asyncio.Future[None] | None = None
        self._chunks: list[bytes] = []
        self._headers: list[tuple[bytes, bytes]] = []
        # The parser's most frequent callbacks. A closure is half the price of a bound method.
        self.on_body = self._chunks.append
        self.on_header = request_head.collector(self._headers)
        self._parser = httptools.HttpRequestParser(self)
        self._expect_head()

    # asyncio.Protocol.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.peer = peer_of(transport)
        self._outlet = self.front.take_over(self._transport)
        self.front.connections.add(self)

    def data_received(self, data: bytes) -> None:
        at, size = 0, len(data)
        while at < size and not self._is_closing:
            if self._current is None and self._can_write is None:
                at = self._take_head(data, at)
            elif self._current is None or self.has_whole_request:
                self._hold(data[at:] if at else data)
                return
            else:
                at = self._take_body(data, at)

    def eof_received(self) -> bool:
        """Keep the way back open while an answer is under way: a half-closed client may read it.

        For a while: who has closed both ways looks the same. TLS cannot be half closed. A body that
        ends so is incomplete.
        """
        self._has_eof = True
        waits = self._outlet is not None and self._outlet.is_waiting()
        if waits:  # also TLS's, which keeps no time any more
            self.write_deadline = self.front.now + self.front.limits.write_stall_seconds
        if self._current is None or self._is_closing or self.front.scheme == "https":
            return waits and self.front.scheme != "https"
        if not self.has_whole_request:
            self.keeps = False
            self.is_lost = True
            self._wake_reader()
        self.deadline = self.front.now + self.front.limits.half_closed_seconds
        return not self._is_answered

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.is_lost = self._is_closing = True
        self.front.connections.discard(self)
        self._transport = None
        if self._outlet is not None:
            self._outlet.drop()
        self._wake_reader()
        self.resume_writing()
        current, self._current = self._current, None
        if current is not None:
            current.note_departure()
        # Breaks the cycle between parser and protocol.
        self._parser = cast("httptools.HttpRequestParser", None)

    def pause_writing(self) -> None:
        self._can_write = self.front.loop.create_future()
        self.write_deadline = self.front.now + self.front.limits.write_stall_seconds

    def resume_writing(self) -> None:
        self.write_deadline = NEVER
        waiter, self._can_write = self._can_write, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
        if (self._ahead or self._has_eof) and self._current is None and not self._is_closing:
            self._read_on()

    # The clock (`shared.Connection`).

    def expire(self) -> None:
        """End what takes too long, by what it is."""
        if self._is_lingering and self.write_deadline >= self.front.now:
            self._close(lingers=False)
        elif self._is_closing or self.write_deadline < self.front.now:
            self.abort()
        elif self._reader is not None:
            self._break_body(RequestTimedOut(BODY_TOO_SLOW))
        elif self._current is None and self._head:
            self._refuse(RequestTimedOut("The request's head took too long."))
        elif self._has_eof and self._current is not None and self.has_whole_request:
            self.deadline = NEVER  # if the client is gone, sending the rest will tell
            if not self._current.has_begun:
                self.abort()
        else:  # nothing was asked, or a body goes on that nobody wants
            self._close(lingers=self._current is not None)

    def say_goodbye(self) -> None:
        """Nothing: each answer from now on says that it is the last."""

    def wind_down(self) -> None:
        """Close after the answer under way, or now."""
        self.keeps = False
        if self._current is None:
            self._close(lingers=False)

    def abort(self) -> None:
        """Drop the connection, with what is not sent yet."""
        self._is_closing = True
        if self._transport is not None:
            self._transport.abort()

    # httptools callbacks. They set flags: what they raise would hide in the parser's own error.

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_headers_complete(self) -> None:
        self._has_head = True
        self.keeps = self._parser.should_keep_alive()  # llhttp forgets it with the message

    def on_message_complete(self) -> None:
        self.has_whole_request = True

    # The head.

    def _expect_head(self) -> None:
        self._head = self._target = self._tail = b""
        self._has_head = self.has_whole_request = self._is_answered = False
        self._fed_bytes = self._body_bytes = self._buffered = 0
        self._waited = 0.0
        self.body_error = None
        self.keeps = True
        self._headers.clear()  # trailers of the request before

    def _take_head(self, data: bytes, at: int) -> int:
        """Give the parser the head, or what came of it; return where it ends in `data`."""
        end = request_head.after_empty_line(self._head, data, at)
        piece = data[at:end]  # no copy where it is all
        if not self._head:
            self.deadline = self.front.now + self.front.limits.head_seconds
        head = self._head = self._head + piece
        try:
            self._check_size(head)
            is_upgrade = self._feed_head(piece)
            if self._has_head:
                self._start(head, is_upgrade=is_upgrade)
        except httptools.HttpParserError as error:
            self._refuse(request_head.explain(head, error))
        except Refusal as refusal:
            self._refuse(refusal)
        return end

    def _feed_head(self, piece: bytes) -> bool:
        """Return whether llhttp thinks that the connection changes its protocol after the head."""
        try:
            self._parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            return True
        return False

    def _check_size(self, head: bytes) -> None:
        limits = self.front.limits
        size = len(head)
        if size > limits.request_line_bytes:
            if head.find(b"\r\n", 0, limits.request_line_bytes) < 0:
                raise URITooLong(f"A request line may have {limits.request_line_bytes} bytes.")
            if size > limits.head_bytes:
                raise HeadersTooLarge(f"Header fields may have {limits.head_bytes} bytes together.")

    def _start(self, head: bytes, *, is_upgrade: bool) -> None:
        """Make a call of the head that is here. Raises Refusal and HttpParserError."""
        front, parser = self.front, self._parser
        method, target = parser.get_method(), self._target
        fields = self._headers.copy()
        self._headers.clear()
        is_11 = head.startswith(b" ".join((method, target, b"HTTP/1.1\r\n"))) or (
            request_head.is_http11(head, method, target)
        )
        request_head.strip_values(fields)
        expects_continue = request_head.check_fields(
            fields, is_11=is_11, max_lines=front.limits.header_lines
        )
        path, query, fields = request_head.split_target(target, fields)
        keeps = self.keeps and not front.is_winding_down
        if is_upgrade:
            self._forget_upgrade(fields)
            keeps = keeps and method != b"CONNECT"
        self.keeps = keeps
        if not self.has_whole_request:
            self._left = request_head.length_of(fields)
        self.deadline = NEVER
        name = request_head.METHODS.get(method) or method.decode("ascii")
        request = Http1Request(self, name, path, query, fields)
        request.is_11 = is_11
        request.expects_continue = expects_continue
        self._current = request
        request.task = front.start(request)

    def _forget_upgrade(self, fields: list[tuple[bytes, bytes]]) -> None:
        """Go on in HTTP/1.1, with a parser that knows of the body and not of the upgrade.

        A server may ignore Upgrade (RFC 9110 §7.8). llhttp would take the body for the new
        protocol's, and what is after the body for the next request.
        """
        self._parser = httptools.HttpRequestParser(self)
        head = request_head.only_framing(fields)
        if head:
            self.has_whole_request = False
            self._parser.feed_data(head)
            self._headers.clear()

    def _refuse(self, refusal: Refusal) -> None:
        """Answer what is no request, and believe nothing that comes after it."""
        fields, body = self.front.render(refusal)
        own = b"content-length: %d\r\n" % len(body) + answer_head.CLOSE
        head = answer_head.encode_head(refusal.status, fields, own, self.front.date)
        self.write(head if self._head.startswith(b"HEAD ") else head + body)
        self._close(lingers=True)

    # The body.

    def _take_body(self, data: bytes, at: int) -> int:
        """Give the parser what of `data` belongs to the body; return where that ends."""
        if self.body_error is not None:
            return len(data)
        left = self._left
        if left >= 0:
            end = min(at + left, len(data))
            self._left = left - (end - at)
        else:
            end = request_head.after_empty_line(self._tail, data, at)
        piece = data[at:end]
        known = len(self._chunks)
        try:
            self._parser.feed_data(piece)
        except httptools.HttpParserError:
            self._break_body(BadFraming("A chunk of the body is malformed (RFC 9112 §7.1)."))
            return len(data)
        added = sum(map(len, self._chunks[known:]))
        self._fed_bytes += len(piece)
        self._body_bytes += added
        if left < 0:
            self._tail = (self._tail + piece)[-3:]
            self._check_overhead()
        if self._is_answered:
            self._forget_body()
        else:
            self._buffered += added
            if self._buffered > self.front.limits.body_bytes:
                self._pause_reading()
            if added or self.has_whole_request:
                self._wake_reader()
        return end

    def _check_overhead(self) -> None:
        limits, body = self.front.limits, self._body_bytes
        allowed = limits.chunk_overhead_bytes + limits.chunk_overhead_per_byte * body
        if self._fed_bytes - body > allowed:
            self._break_body(BadFraming("Chunk headers, extensions and trailers are too long."))

    def _forget_body(self) -> None:
        self._chunks.clear()
        if self.has_whole_request:
            self.end_exchange()
        elif self._fed_bytes > self.front.limits.unread_bytes:
            self._close(lingers=True)

    def _break_body(self, refusal: Refusal) -> None:
        """Note that the body has no end that could be believed."""
        self.body_error = refusal
        self.keeps = False
        if self._is_answered:
            self._close(lingers=True)
        self._wake_reader()

    def _wake_reader(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    # What the request and its answer need of the connection.

    def write(self, data: bytes) -> None:
        """Send `data`, or queue it."""
        if self._transport is not None:
            self._transport.write(data)

    def write_last(self, data: bytes, call: Call | None) -> None:
        """Send the last bytes of an answer; the call is metered as they leave."""
        if self._transport is not None and self._outlet is not None:
            self._outlet.write_last(self._transport, data, call)

    def writable(self) -> "asyncio.Future[None] | None":
        """Return what to wait for before more is written."""
        return self._can_write

    def take_body(self) -> bytes:
        """Return what has arrived of the body since the last time."""
        chunks = self._chunks
        if not chunks:
            return b""
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self._buffered = 0
        self._resume_reading()
        return data

    async def wait_for_body(self) -> None:
        """Wait until something about the body has changed."""
        loop = self.front.loop
        self._reader, since = loop.create_future(), loop.time()
        self.deadline = since + self.front.limits.patience(self._fed_bytes, self._waited)
        try:
            await self._reader
        finally:
            self._waited += loop.time() - since
            self._reader = None
            self.deadline = NEVER

    def end_exchange(self) -> None:
        """Go on to the next request, or close; the answer is written."""
        if self._is_closing:
            return
        front = self.front
        if self.keeps and not self.has_whole_request:
            # The rest of the body is read and forgotten, within limits.
            self._is_answered = True
            self._fed_bytes = self._body_bytes = 0
            self._chunks.clear()
            self._resume_reading()
            self.deadline = front.now + front.limits.unread_seconds
            return
        self._current = None
        if not self.keeps:
            self._close(lingers=not self.has_whole_request)
            return
        self.deadline = front.now + front.limits.idle_seconds
        if self._chunks:  # a refusal reads no body; nobody may take it for the next request's
            self._chunks.clear()
            self._resume_reading()
        self._expect_head()
        if self._ahead or self._has_eof:
            self._read_on()

    def cut(self, *, is_visible: bool) -> None:
        """Close in the middle of an answer; where that is not visible, by a reset."""
        self._current = None
        if not is_visible and self._outlet is not None:
            self._is_closing = True
            self._outlet.reset()
        else:
            self._close(lingers=False)

    def hand_over(self, successor: Successor) -> None:
        """Leave the connection to another protocol; 101 is written."""
        front, transport, is_full = self.front, self._transport, self._can_write is not None
        early, self._ahead = self._ahead, b""
        self._current = self._transport = self._outlet = None
        self._is_closing = True
        self._parser = cast("httptools.HttpRequestParser", None)  # see connection_lost
        front.connections.discard(self)
        if transport is not None:
            front.welcome(successor, transport, early, is_full=is_full)

    # Between requests.

    def _hold(self, data: bytes) -> None:
        """Keep what came early; when the connection ends with this answer it is for nobody."""
        if self.keeps:
            self._ahead += data
            if len(self._ahead) > self.front.limits.ahead_bytes:
                self._pause_reading()

    def _read_on(self) -> None:
        if self._can_write is not None:
            return
        ahead, self._ahead = self._ahead, b""
        self._resume_reading()
        self.data_received(ahead)
        if self._has_eof and self._current is None and not self._is_closing:
            self._close(lingers=False)

    def _pause_reading(self) -> None:
        if not self._is_paused and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._is_paused:
            self._is_paused = False
            if self._transport is not None:
                self._transport.resume_reading()

    def _close(self, *, lingers: bool) -> None:
        """Close; `lingers` reads on for a moment, or a reset would overtake our last bytes."""
        transport, front = self._transport, self.front
        self._is_closing = True
        self._ahead = b""
        if transport is None:
            return
        if lingers and not self._is_lingering and transport.can_write_eof():
            self._is_lingering = True
            self.deadline = front.now + front.limits.linger_seconds
            self._resume_reading()
            transport.write_eof()
        else:
            self._is_lingering = False
            self.deadline = front.now + front.limits.write_stall_seconds
            transport.close()
