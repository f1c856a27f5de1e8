"""RFC 6455: the tunnel that a call becomes when its upstream answers 101.

Frames are handed on as they come, without a look at what they say: extensions and subprotocols are
the two ends' business. They are followed to know where a Close frame of ours may stand.
"""

import asyncio
from typing import TYPE_CHECKING, Final

from gateway.upstream.websocket_frames import (
    BAD_GATEWAY,
    GOING_AWAY,
    PROTOCOL_ERROR,
    FrameFollower,
    MalformedFrame,
    close_frame,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_NEVER: Final = float("inf")
_CLOSING_SECONDS: Final = 1.0  # for the rest of a frame, and for the other side's Close
_STALL_SECONDS: Final = 60.0  # while the client takes nothing


class Side(asyncio.Protocol):
    """One end of a tunnel. The client's is a `front.shared.Connection`, too."""

    __slots__ = (
        "_early",
        "_is_full",
        "_tunnel",
        "deadline",
        "follower",
        "on_lost",
        "transport",
        "write_deadline",
    )

    def __init__(self, tunnel: "Tunnel", *, is_masked: bool) -> None:
        self._tunnel = tunnel
        self._early = b""
        self._is_full = False
        self.on_lost: Callable[[], None] | None = None
        self.follower = FrameFollower(is_masked=is_masked)
        self.transport: asyncio.Transport | None = None
        self.deadline = self.write_deadline = _NEVER

    def take_over(self, transport: asyncio.Transport, early: bytes) -> None:
        """Go on with a connection on which `early` has come already; `Tunnel.begin` reads it."""
        self.transport = transport
        self._early = early
        transport.set_protocol(self)

    def begin(self) -> None:
        """Read what has come already, and what comes."""
        early, self._early = self._early, b""
        if early:
            self.data_received(early)
        if self.transport is not None:
            self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        self._tunnel.take(self, data)

    def eof_received(self) -> bool:
        """Let what waits for the client leave first."""
        transport = self.transport
        outlet = transport.get_extra_info("outlet") if transport is not None else None
        return outlet is not None and bool(outlet.keeps_open(transport))

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.transport = None
        if self.on_lost is not None:
            self.on_lost()
        self._tunnel.lose(self)

    def pause_writing(self) -> None:
        self._is_full = True
        self.write_deadline = self._tunnel.now() + _STALL_SECONDS
        source = self._tunnel.other(self).transport
        if source is not None:
            source.pause_reading()

    def resume_writing(self) -> None:
        self._is_full = False
        self.write_deadline = _NEVER
        source = self._tunnel.other(self).transport
        if source is not None:
            source.resume_reading()

    def write(self, data: bytes) -> None:
        """Send `data`, or queue it."""
        if self.transport is not None:
            self.transport.write(data)

    def close(self) -> None:
        """Close when everything is sent."""
        if self.transport is not None:
            self.transport.close()

    # The clock (`front.shared.Connection`), for the client's side.

    def expire(self) -> None:
        """Say Close where nothing has moved; drop what is late after that, or takes nothing."""
        if self._tunnel.is_closing or self._is_full:
            self.abort()
        else:
            self._tunnel.close(GOING_AWAY, "Nothing came for too long.")

    def say_goodbye(self) -> None:
        """Say Close: the gateway ends, and nothing is under way that would end by itself."""
        self._tunnel.close(GOING_AWAY, "The gateway is going away.")

    def wind_down(self) -> None:
        """Do as `say_goodbye`, which may have been before this came."""
        self.say_goodbye()

    def abort(self) -> None:
        """Drop the connection."""
        if self.transport is not None:
            self.transport.abort()


class Tunnel:
    """Two sides, and what passes between them until one of them, or we, end it."""

    __slots__ = (
        "_has_said_close",
        "_idle_seconds",
        "_parting",
        "client",
        "ended",
        "now",
        "request_bytes",
        "response_bytes",
        "upstream",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, *, idle_seconds: float) -> None:
        self.now = loop.time
        self.client = Side(self, is_masked=True)
        self.upstream = Side(self, is_masked=False)
        self.ended: asyncio.Future[None] = loop.create_future()  # the client is gone
        self.request_bytes = self.response_bytes = 0
        self._idle_seconds = idle_seconds
        self._parting: tuple[int, str] | None = None  # code and reason of our Close
        self._has_said_close = False
        self.client.deadline = self.now() + idle_seconds

    @property
    def is_closing(self) -> bool:
        """Whether the end has begun."""
        return self._parting is not None

    def begin(self) -> None:
        """Let bytes pass; both sides have their connections now."""
        if self._parting is not None:  # the gateway ends, or the client left at once
            self.upstream.close()
            return
        self.client.begin()
        self.upstream.begin()

    def other(self, side: Side) -> Side:
        """Return the other side."""
        return self.upstream if side is self.client else self.client

    def close(self, code: int, reason: str) -> None:
        """Say Close to both sides, each at the end of a frame, and then close (§7.1.1).

        Nothing of the client's goes on. The frame on its way to the client has 1 s to end.
        """
        if self._parting is not None:
            return
        self._parting = code, reason
        self.client.deadline = self.now() + _CLOSING_SECONDS
        if self.client.follower.is_between and not self.client.follower.has_close:
            self.upstream.write(close_frame(code, reason, is_masked=True))
        if self.upstream.follower.is_between:
            self._say_close()

    # Called by the sides.

    def take(self, side: Side, data: bytes) -> None:
        """Hand on what came from `side`."""
        if self._parting is not None:
            self._take_late(side, data)
            return
        was_between = self.upstream.follower.is_between
        try:
            side.follower.follow(data)
        except MalformedFrame as error:
            self._refuse(side, str(error), was_between=was_between)
            return
        self.client.deadline = self.now() + self._idle_seconds
        if side is self.client:
            self.request_bytes += len(data)
            self.upstream.write(data)
        else:
            self.response_bytes += len(data)
            self.client.write(data)

    def lose(self, side: Side) -> None:
        """End the other side, too: `side` has closed, or was reset."""
        if side is self.client:
            upstream = self.upstream.transport
            if upstream is not None:
                upstream.close()
                # It may never take what waits to be sent.
                asyncio.get_running_loop().call_later(_CLOSING_SECONDS, upstream.abort)
            if not self.ended.done():
                self.ended.set_result(None)
        elif self._parting is None and not side.follower.has_close and side.follower.is_between:
            self.close(BAD_GATEWAY, "The API behind the gateway went away.")
        elif not self._has_said_close:
            self._part()

    def _take_late(self, side: Side, data: bytes) -> None:
        """Let the frame under way to the client end; of the client only Close is waited for."""
        try:
            if side is self.client:
                side.follower.follow(data)
            elif not self._has_said_close:
                rest = data[: side.follower.follow(data, stops=True)]
                self.response_bytes += len(rest)
                self.client.write(rest)
                if side.follower.is_between:
                    self._say_close()
        except MalformedFrame:
            self._part()
        if self.client.follower.has_close and self._has_said_close:
            self.client.close()

    def _refuse(self, side: Side, reason: str, *, was_between: bool) -> None:
        """End a tunnel in which `side` does not speak WebSocket; what came of it goes nowhere."""
        self._parting = PROTOCOL_ERROR, reason
        if side is self.upstream:
            self._parting = BAD_GATEWAY, "The API behind the gateway sent no WebSocket frames."
        self.client.deadline = self.now() + _CLOSING_SECONDS
        if was_between:
            self._say_close()
        else:
            self._part()

    def _say_close(self) -> None:
        assert self._parting is not None  # noqa: S101 - the callers have seen to it
        self._has_said_close = True
        if not self.upstream.follower.has_close:  # a second one would be an error
            self.client.write(close_frame(*self._parting, is_masked=False))
        self.upstream.close()
        if self.client.follower.has_close:
            self.client.close()

    def _part(self) -> None:
        """Close without a word: the upstream has said all, or a frame is cut in two."""
        self._parting = self._parting or (GOING_AWAY, "")
        self._has_said_close = True
        self.client.deadline = self.now() + _STALL_SECONDS
        self.upstream.close()
        self.client.close()
