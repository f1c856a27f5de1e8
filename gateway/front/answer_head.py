"""RFC 9112 §4 and §5: the head of an answer as bytes."""

from http import HTTPStatus
from operator import itemgetter
from typing import Final

from gateway.dataplane.call import Fields

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
CLOSE: Final = b"connection: close\r\n"
KEEP_ALIVE: Final = b"connection: keep-alive\r\n"
UPGRADE: Final = b"connection: upgrade\r\nupgrade: websocket\r\n"
CHUNKED: Final = b"transfer-encoding: chunked\r\n"

_join_pair = b": ".join
_join_lines = b"\r\n".join
_name = itemgetter(0)
_STATUS_LINES: Final = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}".encode() for status in HTTPStatus
}


def encode_head(status: int, fields: Fields, own: bytes, date: bytes) -> bytes:
    """Return status line, `fields`, `own` lines and the blank line; `date` where there is none.

    Raises ValueError where a field would be more than one line.
    """
    line = _STATUS_LINES.get(status) or b"HTTP/1.1 %d " % status
    head = _join_lines([line, *map(_join_pair, fields), b""])
    if head.count(b"\n") != len(fields) + 1 or head.count(b"\r") != len(fields) + 1:
        raise ValueError("fields: a name or value holds CR or LF.")
    if b"\nDate: " in head or b"\ndate: " in head or has_date(fields):
        return head + own + b"\r\n"
    return head + own + date + b"\r\n"


def has_date(fields: Fields) -> bool:
    """Return whether the answer says already when it was made (RFC 9110 §6.6.1)."""
    return any(name.lower() == b"date" for name in map(_name, fields))
