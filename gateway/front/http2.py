"""RFC 9113: one connection of a client, many requests at once. h2 keeps the protocol's state.

h2 refuses what is malformed (pseudo-header fields, fields of a connection, :authority that is not
Host, a body of another length) with an error of the connection.
"""

import asyncio
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, cast

from h2 import events as h2_events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

from gateway.dataplane.call import Call
from gateway.dataplane.errors import Refusal
from gateway.front.frame_gate import FrameGate
from gateway.front.http2_request import Http2Request, read_request
from gateway.front.limits import NEVER
from gateway.front.shared import Front, peer_of

if TYPE_CHECKING:
    from gateway.front.outlet import Outlet

_STREAM_WINDOW_BYTES: Final = 256 * 1024
_CONNECTION_WINDOW_BYTES: Final = 1024 * 1024
_DEFAULT_WINDOW_BYTES: Final = 65_535
_LOOK_AGAIN_SECONDS: Final = 2.0
_CALM_SECONDS: Final = 10.0
_LAST_STREAM: Final = 2**31 - 1
_GOAWAY: Final = struct.Struct(">HBBBLLL")

# What costs us work and a client nothing. A stream that is reset counts whoever resets it: frames
# that are errors make us do it (CVE-2023-44487, CVE-2025-8671).
_NUISANCES: Final = (
    h2_events.StreamReset,
    h2_events.PingReceived,
    h2_events.RemoteSettingsChanged,
    h2_events.PriorityUpdated,
    h2_events.UnknownFrameReceived,
)


class Http2Connection(asyncio.Protocol):
    """Hands events to the requests they are for, and what they have to send to the transport."""

    def __init__(self, front: Front) -> None:
        self.front = front
        self.peer = ""
        self.deadline = front.now + front.limits.idle_seconds
        self.write_deadline = NEVER
        self.is_paused = False
        self.h2 = _make_state(front)
        self.requests: dict[int, Http2Request] = {}
        self._transport: asyncio.Transport | None = None
        self._outlet: Outlet | None = None
        self._is_winding_down = front.is_winding_down
        self._gate = FrameGate()
        self._nuisances = 0
        self._calm_since = front.now

    # asyncio.Protocol.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.peer = peer_of(transport)
        self._outlet = self.front.take_over(self._transport)
        self.front.connections.add(self)
        self.h2.initiate_connection()
        self.h2.increment_flow_control_window(_CONNECTION_WINDOW_BYTES - _DEFAULT_WINDOW_BYTES)
        self.flush()

    def data_received(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if not self._gate.admits(data):
            self.h2.close_connection(ErrorCodes.FRAME_SIZE_ERROR)
            self._close()
            return
        try:
            for event in self.h2.receive_data(data):
                self._handle(event)
        except ProtocolError:
            self._close()  # h2 has written why
            return
        if self._nuisances > self.front.limits.nuisances:
            self.h2.close_connection(ErrorCodes.ENHANCE_YOUR_CALM)
            self._close()
            return
        self.flush()

    def eof_received(self) -> bool:
        """Let what waits leave first."""
        outlet, transport = self._outlet, self._transport
        return outlet is not None and transport is not None and outlet.keeps_open(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        if self._outlet is not None:
            self._outlet.drop()
        self.front.connections.discard(self)
        requests, self.requests = self.requests, {}
        for request in requests.values():
            request.note_departure()

    def pause_writing(self) -> None:
        self.is_paused = True
        self.write_deadline = self.front.now + self.front.limits.write_stall_seconds

    def resume_writing(self) -> None:
        self.is_paused = False
        self.write_deadline = NEVER
        self._send_on(0)
        self.flush()

    # The clock (`shared.Connection`).

    def expire(self) -> None:
        """Close an idle or stuck connection; end the requests whose client does not go on."""
        if self.write_deadline < self.front.now:
            self.abort()
        elif not self.requests:
            self.h2.close_connection()
            self._close()
        else:
            for request in list(self.requests.values()):
                request.check_progress()
            self.flush()
            self.set_deadline()

    def say_goodbye(self) -> None:
        """Ask for no more streams; what is on its way is served (RFC 9113 §6.8)."""
        if self._transport is not None:
            self._transport.write(_GOAWAY.pack(0, 8, 7, 0, 0, _LAST_STREAM, 0))

    def wind_down(self) -> None:
        """Say goodbye, and close when the last answer is out."""
        self._is_winding_down = True
        if self._transport is not None:
            # h2's own GOAWAY would end the streams that are open.
            last = self.h2.highest_inbound_stream_id
            self._transport.write(_GOAWAY.pack(0, 8, 7, 0, 0, last, 0))
        self.close_when_done()

    def abort(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.abort()

    # What requests need.

    def flush(self, ending: Call | None = None) -> None:
        """Send what h2 has to say; the call that ends with it is metered as it leaves."""
        data = self.h2.data_to_send()
        if data and self._transport is not None and self._outlet is not None:
            self._outlet.write_last(self._transport, data, ending)

    def forget(self, stream_id: int) -> None:
        """Take note that a request is over."""
        self.requests.pop(stream_id, None)
        self.set_deadline()
        self.close_when_done()

    def close_when_done(self) -> None:
        """Close a connection that takes no more requests when none is left."""
        if self._is_winding_down and not self.requests:
            self._close()

    def set_deadline(self) -> None:
        """Look at open requests now and then, at an idle connection when its time is over."""
        limits = self.front.limits
        seconds = _LOOK_AGAIN_SECONDS if self.requests else limits.idle_seconds
        self.deadline = self.front.now + min(seconds, limits.idle_seconds)

    # Events.

    def _handle(self, event: h2_events.Event) -> None:
        if isinstance(event, _NUISANCES):
            self._count_nuisance()
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event)

    def _count_nuisance(self) -> None:
        now = self.front.now
        if now - self._calm_since > _CALM_SECONDS:
            self._calm_since, self._nuisances = now, 0
        self._nuisances += 1

    def on_request(self, event: Any) -> None:
        """Make a call of a head."""
        stream_id: int = event.stream_id
        if self._is_winding_down:
            with suppress(ProtocolError):  # it is reset already
                self.h2.reset_stream(stream_id, ErrorCodes.REFUSED_STREAM)
            return
        request = Http2Request(self, stream_id)
        request.has_whole_body = event.stream_ended is not None
        self.requests[stream_id] = request
        self.set_deadline()
        try:
            read_request(request, event.headers, self.front.limits.header_lines)
        except Refusal as refusal:
            fields, body = self.front.render(refusal)
            request.answer(refusal.status, fields, body)
            return
        request.task = self.front.start(request)

    def on_data(self, event: Any) -> None:
        """Hand on a piece of a body."""
        request = self.requests.get(event.stream_id)
        if not event.data and event.stream_ended is None:
            self._count_nuisance()
        if request is None:
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        else:
            request.take(event.data, event.flow_controlled_length)

    def on_end(self, event: Any) -> None:
        """Note that a request is complete."""
        request = self.requests.get(event.stream_id)
        if request is not None:
            request.has_whole_body = True
            request.wake_reader()

    def on_reset(self, event: Any) -> None:
        """End a call whose stream is gone."""
        request = self.requests.pop(event.stream_id, None)
        if request is not None:
            request.give_back_window()
            request.note_departure()
            self.set_deadline()
            self.close_when_done()

    def on_window(self, event: Any) -> None:
        """Send what has waited for room."""
        self._send_on(event.stream_id or 0)

    def on_settings(self, event: Any) -> None:
        """Send what has waited for room: the windows of all streams may be others now."""
        del event
        self._send_on(0)

    def on_goaway(self, event: Any) -> None:
        """Answer what is open, and no more."""
        del event
        self._is_winding_down = True
        self.close_when_done()

    def _send_on(self, stream_id: int) -> None:
        requests = [self.requests.get(stream_id)] if stream_id else list(self.requests.values())
        for request in requests:
            if request is not None:
                request.send_on()

    def _close(self) -> None:
        self.flush()
        self._is_winding_down = True
        if self._transport is not None:
            self.deadline = NEVER
            self.write_deadline = self.front.now + self.front.limits.linger_seconds
            self._transport.close()


_HANDLERS: Final[dict[type, Callable[[Http2Connection, Any], None]]] = {
    h2_events.RequestReceived: Http2Connection.on_request,
    h2_events.DataReceived: Http2Connection.on_data,
    h2_events.StreamEnded: Http2Connection.on_end,
    h2_events.StreamReset: Http2Connection.on_reset,
    h2_events.WindowUpdated: Http2Connection.on_window,
    h2_events.RemoteSettingsChanged: Http2Connection.on_settings,
    h2_events.ConnectionTerminated: Http2Connection.on_goaway,
}


def _make_state(front: Front) -> H2Connection:
    state = H2Connection(H2Configuration(client_side=False, header_encoding=None))
    state.local_settings = Settings(
        client=False,
        initial_values={
            SettingCodes.MAX_CONCURRENT_STREAMS: front.limits.streams,
            SettingCodes.MAX_HEADER_LIST_SIZE: front.limits.head_bytes,
            SettingCodes.INITIAL_WINDOW_SIZE: _STREAM_WINDOW_BYTES,
        },
    )
    state.decoder.max_header_list_size = front.limits.head_bytes
    return state
