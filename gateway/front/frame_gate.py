"""RFC 9113 §4.2: frames that are too long, noticed by their first three bytes.

h2 looks at the length when the whole frame is here, which may be 16 MiB later.
"""

from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_MAX_FRAME_BYTES: Final = 16_384  # SETTINGS_MAX_FRAME_SIZE as it is by default
_LENGTH_BYTES: Final = 3
_REST_OF_HEADER_BYTES: Final = 6


class FrameGate:
    """Follows one direction of a connection from frame to frame."""

    __slots__ = ("_left", "_length")

    def __init__(self) -> None:
        self._left = len(PREFACE)  # bytes until the next frame begins
        self._length = b""

    def admits(self, data: bytes) -> bool:
        """Return whether no frame that begins in `data` is longer than it may be."""
        at, size = 0, len(data)
        while at < size:
            if self._left:
                step = min(self._left, size - at)
                self._left -= step
            else:
                piece = data[at : at + _LENGTH_BYTES - len(self._length)]
                step = len(piece)
                self._length += piece
                if len(self._length) == _LENGTH_BYTES and not self._begin_frame():
                    return False
            at += step
        return True

    def _begin_frame(self) -> bool:
        length = int.from_bytes(self._length, "big")
        self._length = b""
        self._left = length + _REST_OF_HEADER_BYTES
        return length <= _MAX_FRAME_BYTES
