"""RFC 6455 §5: where the frames of one direction begin and end, and nothing of what they say."""

import os
from typing import Final

_LONGEST_CONTROL: Final = 125
_SIZE_16: Final = 126
_SIZE_64: Final = 127
_CLOSE: Final = 8
_OPCODES: Final = frozenset({0, 1, 2, _CLOSE, 9, 10})
_MASK_BYTES: Final = 4
_MOST_BYTES: Final = 2**63  # the most significant bit of a length MUST be 0

# Status codes of §7.4.1 and its registry.
GOING_AWAY: Final = 1001
PROTOCOL_ERROR: Final = 1002
POLICY_VIOLATION: Final = 1008
TRY_AGAIN_LATER: Final = 1013
BAD_GATEWAY: Final = 1014


class MalformedFrame(Exception):
    """What comes is not WebSocket; the text names the rule."""


class FrameFollower:
    """Follows one direction from frame to frame, however the bytes are cut."""

    __slots__ = ("_header", "_is_masked", "_left", "has_close")

    def __init__(self, *, is_masked: bool) -> None:
        """`is_masked`: frames of a client, which MUST be masked; others MUST NOT (§5.1)."""
        self._is_masked = is_masked
        self._left = 0  # bytes of the frame's content that are still to come
        self._header = b""  # what came of the next frame's
        self.has_close = False  # a Close frame has begun: no other comes after it

    @property
    def is_between(self) -> bool:
        """Whether a frame of our own may be put here."""
        return not self._left and not self._header

    def follow(self, data: bytes, *, stops: bool = False) -> int:
        """Return how many bytes belong to frames; with `stops` those of the frame under way.

        Raises MalformedFrame.
        """
        at, size = 0, len(data)
        while at < size:
            if self._left:
                step = min(self._left, size - at)
                self._left -= step
                at += step
            elif stops and not self._header:
                return at
            else:
                at = self._read_header(data, at)
        return at

    def _read_header(self, data: bytes, at: int) -> int:
        """Return where the header ends, or the data; two bytes say how long it is."""
        known = len(self._header)
        header = self._header + data[at : at + 2 + 8 + _MASK_BYTES - known]
        if len(header) < 2:
            self._header = header
            return len(data)
        self._check(header)
        size = header[1] & 0x7F
        extra = {_SIZE_16: 2, _SIZE_64: 8}.get(size, 0)
        end = 2 + extra + (_MASK_BYTES if self._is_masked else 0)
        if len(header) < end:
            self._header = header
            return len(data)
        self._header = b""
        self._left = int.from_bytes(header[2 : 2 + extra], "big") if extra else size
        if self._left >= _MOST_BYTES:
            raise MalformedFrame("A length has its most significant bit set.")
        self.has_close = header[0] & 0x0F == _CLOSE
        return at + end - known

    def _check(self, header: bytes) -> None:
        opcode = header[0] & 0x0F
        if self.has_close:
            raise MalformedFrame("A frame comes after Close.")
        if opcode not in _OPCODES:
            raise MalformedFrame("A reserved opcode is used.")
        if bool(header[1] & 0x80) is not self._is_masked:
            raise MalformedFrame("Frames of clients are masked, and no others.")
        if opcode >= _CLOSE and (not header[0] & 0x80 or header[1] & 0x7F > _LONGEST_CONTROL):
            raise MalformedFrame("A control frame is fragmented or longer than 125 bytes.")


def close_frame(code: int, reason: str, *, is_masked: bool) -> bytes:
    """Return a Close frame (§5.5.1); `reason` is cut to what fits."""
    content = code.to_bytes(2, "big") + reason.encode("ascii", "replace")[: _LONGEST_CONTROL - 2]
    if not is_masked:
        return bytes((0x80 | _CLOSE, len(content))) + content
    mask = os.urandom(_MASK_BYTES)
    masked = bytes(byte ^ mask[at % _MASK_BYTES] for at, byte in enumerate(content))
    return bytes((0x80 | _CLOSE, 0x80 | len(content))) + mask + masked
