"""RFC 9112 §4 and §5: the head of an answer as bytes."""

from http import HTTPStatus
from typing import Final

from gateway.dataplane.call import Fields

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
CLOSE: Final = b"connection: close\r\n"
KEEP_ALIVE: Final = b"connection: keep-alive\r\n"
UPGRADE: Final = b"connection: upgrade\r\nupgrade: websocket\r\n"
CHUNKED: Final = b"transfer-encoding: chunked\r\n"

_join_lines = b"\r\n".join
_CR: Final = 0x0D
_LF: Final = 0x0A
_DATE_LENGTH: Final = 4
_STATUS_LINES: Final = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}".encode() for status in HTTPStatus
}


def encode_head(status: int, fields: Fields, own: bytes, date: bytes) -> bytes:
    """Return status line, `fields`, `own` lines and the blank line; `date` where there is none.

    Raises ValueError where a field would be more than one line.
    """
    lines = [_STATUS_LINES.get(status) or b"HTTP/1.1 %d " % status]
    for name, value in fields:
        lines.append(name + b": " + value)
        if len(name) == _DATE_LENGTH and name.lower() == b"date":
            date = b""
    together = b"".join(lines)
    if _CR in together or _LF in together:
        raise ValueError("fields: a name or value holds CR or LF.")
    lines.append(own + date + b"\r\n")
    return _join_lines(lines)


def has_date(fields: Fields) -> bool:
    """Return whether the answer says already when it was made (RFC 9110 §6.6.1)."""
    return any(len(name) == _DATE_LENGTH and name.lower() == b"date" for name, _ in fields)
