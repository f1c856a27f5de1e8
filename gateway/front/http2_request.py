"""One request of an HTTP/2 connection, and the way back to its client (RFC 9113 §8)."""

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import NoSuchStreamError, ProtocolError, StreamClosedError

from gateway.dataplane.call import Call, Fields
from gateway.dataplane.errors import BadRequest, IncompleteBody, Refusal
from gateway.front import answer_head, request_head
from gateway.front.errors import BadFraming, RequestTimedOut
from gateway.front.limits import BODY_TOO_SLOW
from gateway.front.shared import Front, Successor

if TYPE_CHECKING:
    import asyncio

_BODILESS: Final = frozenset({204, 304})


class Wire(Protocol):
    """The connection, as a request needs it."""

    front: Front
    h2: H2Connection
    peer: str
    is_paused: bool  # the transport takes no more for now

    def flush(self, ending: Call | None = None) -> None:
        """Send what h2 has to say; the call that ends with it is metered as it leaves."""

    def forget(self, stream_id: int) -> None:
        """Take note that a request is over."""


class Http2Request:
    """What the pipeline reads of a request, and how it answers."""

    announces_body: Final = False  # RFC 9113 §8.1: the stream's end tells
    may_switch: Final = False  # RFC 9113 §8.6; nor is the CONNECT of RFC 8441 announced

    def __init__(self, connection: Wire, stream_id: int) -> None:
        self.method = ""
        self.raw_path = self.query = b""
        self.headers: Fields = []
        self.scheme = connection.front.scheme
        self.peer = connection.peer
        self.expects_continue = False
        self.has_whole_body = False
        self.task: asyncio.Task[None] | None = None
        self.call: Call | None = None
        self._connection: Wire | None = connection
        self._front = connection.front
        self._stream_id = stream_id
        self._chunks: list[bytes] = []
        self._unread = 0  # of the window, padding and all
        self._reader: asyncio.Future[None] | None = None
        self._error: Refusal | None = None
        self._outbox = bytearray()
        self._room: asyncio.Future[None] | None = None
        self._waits_since = 0.0  # for the body, or for room in the window
        self._come = 0  # bytes of the body
        self._waited = 0.0  # s, for them
        self._has_begun = self._has_no_body = self._is_finished = self._is_over = False

    async def read(self) -> bytes:
        """Return what has arrived of the body, waiting for some; b"" at the end.

        Raises IncompleteBody when the client has gone, RequestTimedOut when it does not go on.
        """
        while (connection := self._connection) is not None:
            if self._chunks:
                data = b"".join(self._chunks)
                self._chunks.clear()
                self.give_back_window()
                connection.flush()
                return data
            if self._error is not None:
                raise self._error
            if self.has_whole_body:
                return b""
            if self.expects_continue and not self._has_begun:
                self.expects_continue = False
                connection.h2.send_headers(self._stream_id, [(b":status", b"100")])
                connection.flush()
            await self._wait()
        raise IncompleteBody("The client went away before the body was complete.")

    def answer(
        self, status: int, fields: Fields, body: bytes, *, length: int = -1, closes: bool = False
    ) -> "asyncio.Future[None] | None":
        """Send the whole answer; `length` is that of the body a HEAD does not get."""
        if status not in _BODILESS and length < 0 and (body or self.method != "HEAD"):
            length = len(body)
        self.begin(status, fields, length=length, closes=closes)
        return self.finish(body)

    def begin(self, status: int, fields: Fields, *, length: int = -1, closes: bool = False) -> None:
        """Send the head of an answer whose body follows. The connection is for others, too."""
        del closes
        connection = self._connection
        if connection is None:
            return
        self._has_begun = True
        self._has_no_body = self.method == "HEAD" or status in _BODILESS
        headers = [(b":status", b"%d" % status)]
        headers += [(name.lower(), value) for name, value in fields]
        if length >= 0 and status != 204:
            headers.append((b"content-length", b"%d" % length))
        if not answer_head.has_date(fields):
            headers.append((b"date", self._front.date[6:-2]))
        try:
            connection.h2.send_headers(self._stream_id, headers)
        except (StreamClosedError, NoSuchStreamError):
            self.note_departure()  # reset by frames that came with the request
        except ProtocolError as error:
            raise ValueError("fields: HTTP/2 does not carry them.") from error
        else:
            connection.flush()

    def write(self, piece: bytes) -> "asyncio.Future[None] | None":
        """Send a piece of the body; wait for what is returned before the next."""
        if self._connection is None or self._has_no_body or not piece:
            return None
        if not self._outbox:
            self._waits_since = self._front.now
        self._outbox += piece
        self.send_on()
        if not self._outbox:
            return None
        return self._wait_for_room()

    def finish(self, last: bytes = b"") -> "asyncio.Future[None] | None":
        """Send the last piece of the body, and with it the end; wait for what is returned."""
        if self._is_finished:
            return None
        self._is_finished = True
        if last and not self._has_no_body:
            self._waits_since = self._front.now
            self._outbox += last
        self.send_on()
        return None if self._is_over or self._connection is None else self._wait_for_room()

    def switch(self, fields: Fields, successor: Successor) -> None:
        """Raise ValueError: a stream is no connection."""
        del fields, successor
        raise ValueError("A connection of HTTP/2 does not change its protocol.")

    def close(self) -> None:
        """Reset the stream if the answer is not complete."""
        self.call = None  # a cycle would keep both until the collector comes
        if not self._is_finished:
            self._cut(ErrorCodes.INTERNAL_ERROR)

    # Called by the connection.

    def take(self, data: bytes, flow_controlled_length: int) -> None:
        """Keep a piece of the body; the client's window stays smaller until it is read."""
        self._unread += flow_controlled_length
        self._come += len(data)
        if self._is_finished:
            self.give_back_window()
        elif data:
            self._chunks.append(data)
            self.wake_reader()

    def give_back_window(self) -> None:
        """Let the client send as much again as was read, or is for nobody."""
        unread, self._unread = self._unread, 0
        if unread and self._connection is not None:
            self._connection.h2.acknowledge_received_data(unread, self._stream_id)

    def wake_reader(self) -> None:
        """Let `read` look again."""
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def send_on(self) -> None:
        """Send as much of the body as the windows let pass."""
        connection = self._connection
        if connection is None or not self._has_begun:
            return
        try:
            self._send_outbox(connection)
            if not self._outbox and self._is_finished and not connection.is_paused:
                connection.h2.end_stream(self._stream_id)
                self._end(connection)
        except ProtocolError:
            self.note_departure()  # the stream is closed; its event comes, or has come
        if not self._outbox and (self._is_over or not self._is_finished):
            self._wake_writer()

    def check_progress(self) -> None:
        """End what a client has kept waiting for too long."""
        limits, waited = self._front.limits, self._front.now - self._waits_since
        if self._reader is not None and waited > limits.patience(self._come, self._waited):
            self._error = RequestTimedOut(BODY_TOO_SLOW)
            self.wake_reader()
        elif self._outbox and waited > limits.write_stall_seconds:
            self._cut(ErrorCodes.CANCEL)

    def note_departure(self) -> None:
        """Take note that the client wants no answer, or cannot get one."""
        self._connection = None
        self._outbox.clear()
        self.wake_reader()
        self._wake_writer()
        if self.call is not None and not self._is_over:
            self.call.client_left()

    async def _wait(self) -> None:
        self._waits_since = self._front.now
        self._reader = self._front.loop.create_future()
        try:
            await self._reader
        finally:
            self._waited += self._front.now - self._waits_since
            self._reader = None

    def _wait_for_room(self) -> "asyncio.Future[None]":
        if self._room is None or self._room.done():
            self._room = self._front.loop.create_future()
        return self._room

    def _wake_writer(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    def _send_outbox(self, connection: Wire) -> None:
        state, stream_id = connection.h2, self._stream_id
        while self._outbox and not connection.is_paused:
            size = min(state.local_flow_control_window(stream_id), state.max_outbound_frame_size)
            if size <= 0:
                return
            state.send_data(stream_id, bytes(self._outbox[:size]))
            del self._outbox[:size]
            self._waits_since = self._front.now
            connection.flush()

    def _end(self, connection: Wire) -> None:
        self.give_back_window()
        if not self.has_whole_body:
            # The rest of the request is not wanted (RFC 9113 §8.1).
            connection.h2.reset_stream(self._stream_id, ErrorCodes.NO_ERROR)
        self._leave(connection, self.call)

    def _cut(self, code: ErrorCodes) -> None:
        connection = self._connection
        if connection is not None:
            self.give_back_window()
            with suppress(ProtocolError):  # it is reset already
                connection.h2.reset_stream(self._stream_id, code)
            self._leave(connection)
        self.note_departure()

    def _leave(self, connection: Wire, ending: Call | None = None) -> None:
        self._is_over = True
        self._connection = None
        connection.flush(ending)
        connection.forget(self._stream_id)


def read_request(
    request: Http2Request, headers: Iterable[tuple[bytes, bytes]], max_lines: int
) -> None:
    """Fill in what the head says. Raises Refusal; h2 has checked what is HTTP/2's own."""
    pseudo: dict[bytes, bytes] = {}
    fields: Fields = []
    for name, value in headers:
        if name[:1] == b":":
            pseudo[name] = value
        else:
            fields.append((name, value))
    request.method = pseudo.get(b":method", b"").decode("ascii", "replace")
    authority = pseudo.get(b":authority")
    if authority is not None:  # h2 has seen to it that Host, where there is one, says the same
        fields = [(b"host", authority), *(field for field in fields if field[0] != b"host")]
    request.expects_continue = request_head.check_fields(fields, is_11=True, max_lines=max_lines)
    if request.has_whole_body and any(n == b"content-length" and v != b"0" for n, v in fields):
        raise BadFraming("Content-Length announces a body, and none came.")
    path, _, request.query = pseudo.get(b":path", b"").partition(b"?")
    if b"://" in path:
        raise BadRequest("The :path is no URL.")
    request.raw_path, request.headers = path, fields
