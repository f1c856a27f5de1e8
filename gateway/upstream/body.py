"""A request body on its way to the upstream, with back-pressure."""

from typing import Final, Protocol

from gateway.upstream.errors import RequestBodyMismatch

_SLICE_BYTES: Final = 64 * 1024


class BodySource(Protocol):
    """A request body that is still arriving."""

    length: int | None  # Content-Length, or None for chunked

    async def read(self) -> bytes:
        """Return the next bytes; b"" at the end."""


class Outlet(Protocol):
    """The connection a body is sent on."""

    def write(self, data: bytes) -> None:
        """Send `data`, or queue it."""

    async def drain(self) -> None:
        """Wait until the queue is short."""


class BytesSource:
    """A large body that is already here, given out in slices."""

    __slots__ = ("_at", "_body", "length")

    def __init__(self, body: bytes) -> None:
        self.length: int | None = len(body)
        self._body = body
        self._at = 0

    async def read(self) -> bytes:
        """Return the next slice; b"" at the end."""
        start = self._at
        self._at += _SLICE_BYTES
        return self._body[start : self._at]


async def send_rest(outlet: Outlet, source: BodySource, sent: int) -> None:
    """Send what `source` still gives; `sent` bytes of it are on their way already.

    Raises RequestBodyMismatch when the bytes are not as many as `source.length` says, before one
    too many is sent.
    """
    length = source.length
    if length is None:
        while chunk := await source.read():
            outlet.write(as_chunk(chunk))
            await outlet.drain()
        outlet.write(b"0\r\n\r\n")
        return
    # The announced length ends the body: waiting for b"" would hold the connection for nothing.
    while sent < length:
        chunk = await source.read()
        sent += len(chunk)
        if not chunk or sent > length:
            raise RequestBodyMismatch(f"The request body has {sent} bytes, not {length}.")
        outlet.write(chunk)
        await outlet.drain()


def as_chunk(data: bytes) -> bytes:
    """Return `data` as one chunk (RFC 9112 §7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)
