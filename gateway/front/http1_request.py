"""One request of an HTTP/1.1 connection, and the way back to its client (RFC 9112 §6)."""

from typing import TYPE_CHECKING, Final, Protocol

from gateway.dataplane import ledger
from gateway.dataplane.call import Call, Fields
from gateway.dataplane.errors import IncompleteBody, Refusal
from gateway.front import answer_head
from gateway.front.shared import Front, Successor

if TYPE_CHECKING:
    import asyncio

_NOTHING: Final = -1  # no body may follow
_CHUNKS: Final = -2
_UNTIL_CLOSE: Final = -3  # HTTP/1.0 has no chunks
_LAST_CHUNK: Final = b"0\r\n\r\n"
_ONE_WRITE_BYTES: Final = 16 * 1024
_BODILESS: Final = frozenset({204, 304})


class Wire(Protocol):
    """The connection, as a request needs it."""

    front: Front
    peer: str
    keeps: bool  # whether another request may follow
    has_whole_request: bool
    is_lost: bool
    body_error: Refusal | None

    def write(self, data: bytes) -> None:
        """Send `data`, or queue it."""

    def write_last(self, data: bytes, call: Call | None) -> None:
        """Do as `write`; the call is metered as the bytes leave."""

    def writable(self) -> "asyncio.Future[None] | None":
        """Return what to wait for before more is written."""

    def take_body(self) -> bytes:
        """Return what has arrived of the body since the last time."""

    async def wait_for_body(self) -> None:
        """Wait until something about the body has changed."""

    def end_exchange(self) -> None:
        """Go on to the next request, or close; the answer is written."""

    def cut(self, *, is_visible: bool) -> None:
        """Close in the middle of an answer."""

    def hand_over(self, successor: Successor) -> None:
        """Leave the connection to another protocol; 101 is written."""


class Http1Request:
    """What the pipeline reads of a request, and how it answers."""

    __slots__ = (
        "_connection",
        "_framing",
        "_is_over",
        "_left",
        "call",
        "expects_continue",
        "has_begun",
        "headers",
        "is_11",
        "method",
        "peer",
        "query",
        "raw_path",
        "scheme",
        "task",
    )
    announces_body: Final = True

    def __init__(
        self,
        connection: Wire,
        method: str,
        raw_path: bytes,
        query: bytes,
        headers: Fields,
    ) -> None:
        self.method = method
        self.raw_path = raw_path
        self.query = query
        self.headers = headers
        self.scheme = connection.front.scheme
        self.peer = connection.peer
        self.is_11 = True
        self.expects_continue = False
        self.task: asyncio.Task[None] | None = None
        self.call: Call | None = None
        self._connection: Wire | None = connection
        self._framing = _NOTHING
        self._left = 0
        self.has_begun = self._is_over = False

    async def read(self) -> bytes:
        """Return what has arrived of the body, waiting for some; b"" at the end.

        Raises IncompleteBody when the client has gone, and the refusal of a malformed body.
        """
        while (connection := self._connection) is not None:
            data = connection.take_body()
            if data:
                return data
            if connection.body_error is not None:
                raise connection.body_error
            if connection.has_whole_request:
                return b""
            if connection.is_lost:
                break
            if self.expects_continue and not self.has_begun:
                self.expects_continue = False
                connection.write(answer_head.CONTINUE)
            await connection.wait_for_body()
        raise IncompleteBody("The client went away before the body was complete.")

    def answer(
        self, status: int, fields: Fields, body: bytes, *, length: int = -1, closes: bool = False
    ) -> None:
        """Send the whole answer; `length` is that of the body a HEAD does not get."""
        connection = self._connection
        if connection is None:
            return
        self.has_begun = True
        if self.method == "HEAD" or status in _BODILESS:
            if length < 0 and body:
                length = len(body)
            own = b"content-length: %d\r\n" % length if length >= 0 and status != 204 else b""
            body = b""
        else:
            own = b"content-length: %d\r\n" % len(body)
        own += self._persistence(connection, closes=closes)
        date = connection.front.date
        data = answer_head.encode_head(status, fields, own, date) + body
        connection.write_last(data, self.call)
        self._end(connection)

    def begin(self, status: int, fields: Fields, *, length: int = -1, closes: bool = False) -> None:
        """Send the head of an answer whose body follows; without a `length` in chunks."""
        connection = self._connection
        if connection is None:
            return
        self.has_begun = True
        own = b"content-length: %d\r\n" % length if length >= 0 and status != 204 else b""
        if self.method == "HEAD" or status in _BODILESS:
            self._framing = _NOTHING
        elif length >= 0:
            self._framing = self._left = length
        elif self.is_11:
            self._framing = _CHUNKS
            own = answer_head.CHUNKED
        else:
            self._framing = _UNTIL_CLOSE
            closes = True
        own += self._persistence(connection, closes=closes)
        connection.write(answer_head.encode_head(status, fields, own, connection.front.date))

    def write(self, piece: bytes) -> "asyncio.Future[None] | None":
        """Send a piece of the body; wait for what is returned before the next."""
        connection = self._connection
        if connection is None or self._framing == _NOTHING or not piece:
            return None
        if self._framing == _CHUNKS:
            _write_chunk(connection, piece)
        elif self._framing == _UNTIL_CLOSE:
            connection.write(piece)
        else:
            self._left -= len(piece)
            if self._left < 0:
                raise ValueError("The body is longer than its Content-Length.")
            connection.write(piece)
        return connection.writable()

    def finish(self, last: bytes = b"") -> None:
        """Send the last piece of the body, and with it the end."""
        connection = self._connection
        if connection is None or self._is_over:
            return
        if self._framing == _CHUNKS:
            last = b"%x\r\n%b\r\n0\r\n\r\n" % (len(last), last) if last else _LAST_CHUNK
        elif self._framing == _NOTHING:
            last = b""
        elif self._framing != _UNTIL_CLOSE and len(last) != self._left:
            self._cut()
            return
        if last:
            connection.write_last(last, self.call)
        elif self.call is not None:  # the head, or the end of the connection, was or is the end
            ledger.meter(connection.front.plane, self.call)
        self._end(connection)

    @property
    def may_switch(self) -> bool:
        """Whether the connection can change its protocol: RFC 9110 §7.8 has it in 1.1 only."""
        connection = self._connection
        return self.is_11 and connection is not None and connection.keeps

    def switch(self, fields: Fields, successor: Successor) -> None:
        """Answer 101 and leave the connection to a WebSocket."""
        connection, self._connection = self._connection, None
        self._is_over = True
        if connection is not None:
            head = answer_head.encode_head(101, fields, answer_head.UPGRADE, connection.front.date)
            connection.write(head)
            connection.hand_over(successor)

    def close(self) -> None:
        """Cut the connection if the answer is not complete."""
        self.call = None  # a cycle would keep both until the collector comes
        if not self._is_over:
            self._cut()

    def note_departure(self) -> None:
        """Take note that the connection is gone."""
        self._connection = None
        if self.call is not None and not self._is_over:
            self.call.client_left()

    def _persistence(self, connection: Wire, *, closes: bool) -> bytes:
        """Return the Connection line (RFC 9112 §9.3)."""
        # A client that waits for 100 may send its body now, or never: nobody can tell.
        if closes or self.expects_continue:
            connection.keeps = False
        if not connection.keeps:
            return answer_head.CLOSE
        return b"" if self.is_11 else answer_head.KEEP_ALIVE

    def _end(self, connection: Wire) -> None:
        self._is_over = True
        self._connection = None
        connection.end_exchange()

    def _cut(self) -> None:
        connection, self._connection = self._connection, None
        self._is_over = True
        if connection is not None:
            connection.cut(is_visible=self._framing != _UNTIL_CLOSE)


def _write_chunk(connection: Wire, piece: bytes) -> None:
    if len(piece) < _ONE_WRITE_BYTES:
        connection.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        return
    connection.write(b"%x\r\n" % len(piece))
    connection.write(piece)
    connection.write(b"\r\n")
