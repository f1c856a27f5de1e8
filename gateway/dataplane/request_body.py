"""The client's request body, as the upstream client wants it."""

from typing import Final

from gateway.dataplane.call import Call
from gateway.dataplane.errors import ContentTooLarge, IncompleteBody

# Bodies up to this size are sent in one piece when they arrive in one piece.
_WHOLE_BYTES: Final = 64 * 1024


class RequestBody:
    """Hands over what arrives (`gateway.upstream.body.BodySource`), counting and limiting it."""

    __slots__ = ("_call", "_limit", "length")

    def __init__(self, call: Call, limit: int) -> None:
        self.length = call.content_length
        self._call = call
        self._limit = limit

    async def read(self) -> bytes:
        """Return the next bytes; b"" at the end. Raises ContentTooLarge and IncompleteBody."""
        call = self._call
        if call.has_read_body:
            return b""
        try:
            chunk = await call.inbound.read()
        except IncompleteBody:
            call.client_gone = True
            raise
        if chunk:
            self._count(len(chunk))
        else:
            call.has_read_body = True
        return chunk

    def _count(self, size: int) -> None:
        call = self._call
        call.request_bytes += size
        if call.request_bytes > self._limit:
            raise ContentTooLarge(f"Bodies may have {self._limit} bytes here.")


def may_have_body(call: Call) -> bool:
    """Whether a body may come: HTTP/2 needs no header to announce one."""
    length = call.content_length
    if length is not None:
        return length > 0
    return call.chunked or not call.inbound.announces_body


async def open_body(call: Call, limit: int) -> bytes | RequestBody:
    """Return the body that may come: the bytes when they are few, else a source."""
    length = call.content_length
    call.has_read_body = False
    source = RequestBody(call, limit)
    if length is not None and length > _WHOLE_BYTES:
        return source
    if length is None and call.chunked:
        return source
    return await _read_whole(call, source, length)


async def _read_whole(call: Call, source: RequestBody, length: int | None) -> bytes | RequestBody:
    first = await source.read()
    if length is None:
        # HTTP/2 without a length: most often there is no body, which only reading tells.
        return _Resumed(call, source, first) if first else b""
    parts = [first]
    while first and call.request_bytes < length:
        first = await source.read()
        parts.append(first)
    if call.request_bytes != length:
        raise IncompleteBody(f"{call.request_bytes} of {length} bytes of the body came.")
    call.has_read_body = True
    return b"".join(parts)


class _Resumed(RequestBody):
    """A source whose first bytes have been read already."""

    __slots__ = ("_first", "_source")

    def __init__(self, call: Call, source: RequestBody, first: bytes) -> None:
        super().__init__(call, 0)
        self._source = source
        self._first = first

    async def read(self) -> bytes:
        """Return the first bytes, then the rest."""
        if self._first:
            first, self._first = self._first, b""
            return first
        return await self._source.read()
