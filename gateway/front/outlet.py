"""What leaves on a connection of a client, in order, and the proof of it (ADR-0007).

The bytes of the wire pass through here, those of TLS after they were encrypted. So nothing waits
in a queue that nobody sees, and a call is counted in the moment in which its last bytes leave.
They leave at the end of the event loop's turn (`departures`).
"""

import asyncio
import os
import socket
import struct
from collections import deque
from contextlib import suppress
from typing import Any, Final, cast

from gateway.dataplane import ledger
from gateway.dataplane.call import Call
from gateway.dataplane.plane import Plane
from gateway.front.departures import Departures
from gateway.usage.sent_file import MAX_BYTES

_write: Final = os.write
_RESET: Final = struct.pack("ii", 1, 0)  # on, for 0 s
_MAX_DUE_BYTES: Final = 64 * 1024  # more does not wait for the end of the turn
_OPEN: Final = 0
_EOF: Final = 1
_CLOSE: Final = 2


class Outlet:
    """An asyncio.Transport by shape, between a protocol and the event loop's transport.

    That one reads, and closes. What the kernel does not take at once waits here, while the protocol
    is paused.
    """

    __slots__ = (
        "_departures",
        "_descriptor",
        "_due_bytes",
        "_last",
        "_plane",
        "_queue",
        "_transport",
        "_until",
        "_watched",
    )

    def __init__(self, plane: Plane, departures: Departures, transport: asyncio.Transport) -> None:
        self._plane = plane
        self._departures = departures
        self._transport = transport
        self._descriptor: int = transport.get_extra_info("socket").fileno()
        self._last: Call | None = None  # whose last bytes the next write holds
        self._queue: deque[tuple[bytes | memoryview, Call | None]] = deque()
        self._due_bytes = 0  # of the queue, where it waits for the end of the turn
        self._watched = -1  # a descriptor of the same socket, while something waits
        self._until = _OPEN  # what is to be done when nothing waits any more

    def write_last(self, by: asyncio.Transport, data: bytes, call: Call | None) -> None:
        """Write the last bytes of a call's answer by `by`, which is this or TLS upon it.

        The call is metered when they leave; at the latest when they never will.
        """
        if call is None or call.decision is None or call.is_metered:
            by.write(data)
            return
        if by is cast("asyncio.Transport", self):
            self._write(data, call)
            return
        before, self._last = self._last, call
        self._give_up(before)  # TLS has dropped it: the connection is lost
        by.write(data)
        if self._unsent() is None:
            return
        if self._watched >= 0:  # TLS has encrypted it, and waits until nothing waits here
            self._plane.leaving.add(call)
        else:  # TLS is closed
            self._last = None
            self._give_up(call)

    # asyncio.Transport.

    def write(self, data: bytes) -> None:
        """Send `data`, or let it wait."""
        if not data:  # it would wait for ever: what is due is told by its bytes
            return
        last, self._last = self._last, None
        if last is not None:
            self._plane.leaving.discard(last)  # it may have waited in TLS
        self._write(data, last)

    def write_eof(self) -> None:
        """End our side when all is sent."""
        self.flush()
        if not self._queue:
            self._transport.write_eof()
        elif self._until == _OPEN:
            self._until = _EOF

    def close(self) -> None:
        """Close when all is sent."""
        self.flush()
        if self._queue:
            self._until = _CLOSE
            if not self._transport.is_closing():
                self._transport.pause_reading()
        else:
            self._transport.close()

    def flush(self) -> None:
        """Send what waits for the end of the turn."""
        if self._due_bytes:
            self._send_due()

    def is_waiting(self) -> bool:
        """Send what there is, and say whether something waits for the client to take it."""
        self.flush()
        return bool(self._queue)

    def keeps_open(self, by: asyncio.Transport) -> bool:
        """Close when all is sent, and say whether anything waits: the answer to `eof_received`.

        Nothing is done where `by` is TLS, which closes by itself.
        """
        if not self.is_waiting() or by is not cast("asyncio.Transport", self):
            return False
        self.close()
        return True

    def abort(self) -> None:
        """Drop the connection, with what waits."""
        self.flush()
        self._abort()

    def reset(self) -> None:
        """Do as `abort`, and let the client see that something is missing."""
        stream = self._transport.get_extra_info("socket")
        with suppress(OSError):  # it is gone
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.abort()

    def _force_close(self, exc: BaseException | None) -> None:
        """Do as `abort`: TLS calls it so. When it waited long enough, the clock has the say."""
        if not (isinstance(exc, TimeoutError) and self.is_waiting()):
            self.abort()

    def is_closing(self) -> bool:
        return self._until == _CLOSE or self._transport.is_closing()

    def can_write_eof(self) -> bool:
        return self._transport.can_write_eof()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._transport.set_protocol(protocol)

    def get_extra_info(self, name: str, default: object = None) -> Any:
        return self if name == "outlet" else self._transport.get_extra_info(name, default)

    # The queue.

    def _unsent(self) -> Call | None:
        return self._last

    def drop(self) -> None:
        """Forget what waits: the connection is gone, or is to go. Nothing is written any more."""
        self._descriptor = -1  # it may be another's in a moment
        self._due_bytes = 0
        self._stop_watching()
        waiting, self._queue = self._queue, deque()
        for _, call in waiting:
            self._give_up(call)
        last, self._last = self._last, None
        self._give_up(last)

    def _write(self, data: bytes, call: Call | None) -> None:
        if call is not None and len(data) > MAX_BYTES:
            self._wait(data[:-1], None)
            data = data[-1:]
        self._wait(data, call)

    def _wait(self, data: bytes, call: Call | None) -> None:
        """Let `data` wait for the client, or for the end of the turn where it takes all so far."""
        if call is not None:
            self._plane.leaving.add(call)
        self._queue.append((data, call))
        if self._watched >= 0:
            return
        if not self._due_bytes:
            self._departures.add(self)
        self._due_bytes += len(data)
        if self._due_bytes > _MAX_DUE_BYTES:
            self._send_due()

    def _send_due(self) -> None:
        self._due_bytes = 0
        if self._empty_queue():
            self._end()
        elif self._queue:
            self._watch()

    def _send(self, data: bytes | memoryview, call: Call | None) -> int:
        """Return how many bytes the kernel took; all of them where it will never take any."""
        try:
            if call is None:
                return _write(self._descriptor, data)
            return self._send_last(data, call)
        except BlockingIOError:
            return 0
        except OSError:
            self._abort()
            return len(data)

    def _send_last(self, data: bytes | memoryview, call: Call) -> int:
        """Send the last bytes of a call, which counts if all of them leave. Raises OSError.

        The order settles what is found after a kill: first the bytes are in the file, then the
        call is counted with a note of what the row was before, then they leave, then the note goes.
        """
        plane = self._plane
        mark = plane.journal.sent_file.put(data)
        ledger.meter(plane, call, mark)
        try:
            sent = plane.journal.sent_file.send(self._descriptor, len(data))
        except BlockingIOError:
            ledger.take_back(plane, call)
            raise
        except OSError:  # the client is gone; that it counts was settled with its answer
            plane.journal.settle()
            raise
        if sent == len(data):
            plane.journal.settle()
        else:
            ledger.take_back(plane, call)
        return sent

    def _abort(self) -> None:
        self.drop()
        self._transport.abort()

    def _give_up(self, call: Call | None) -> None:
        if call is not None:
            ledger.give_up(self._plane, call)

    def _watch(self) -> None:
        """Go on when the kernel takes more; until then the protocol is paused."""
        try:
            # The event loop lets nobody watch the transport's own descriptor.
            self._watched = os.dup(self._descriptor)
        except OSError:
            self._abort()
            return
        self._departures.loop.add_writer(self._watched, self._go_on)
        self._protocol.pause_writing()

    def _stop_watching(self) -> None:
        watched, self._watched = self._watched, -1
        if watched >= 0:
            self._departures.loop.remove_writer(watched)
            os.close(watched)

    def _go_on(self) -> None:
        if self._transport.is_closing():
            self.drop()
        elif self._empty_queue():
            self._stop_watching()
            self._protocol.resume_writing()
            if not self._queue:
                self._end()

    def _empty_queue(self) -> bool:
        """Return whether everything is sent."""
        while self._queue:
            data, call = self._queue[0]
            sent = self._send(data, call)
            if self._descriptor < 0:  # the client is gone, and with it the queue
                return False
            if sent < len(data):
                self._queue[0] = memoryview(data)[sent:], call
                return False
            self._queue.popleft()
            if call is not None:
                self._plane.leaving.discard(call)
        return True

    def _end(self) -> None:
        """Do what was asked for when nothing waits any more."""
        if self._until == _CLOSE:
            self._transport.close()
        elif self._until == _EOF:
            self._transport.write_eof()

    @property
    def _protocol(self) -> asyncio.Protocol:
        return cast("asyncio.Protocol", self._transport.get_protocol())
