"""The client's request body, as the upstream client wants it."""

import asyncio
from typing import Final

from gateway.dataplane.call import Call
from gateway.dataplane.errors import ContentTooLarge, IncompleteBody

# Bodies up to this size are sent in one piece when they arrive in one piece.
_WHOLE_BYTES: Final = 64 * 1024
_DRAINED_BYTES: Final = 8 * 1024 * 1024
_DRAIN_SECONDS: Final = 1.0


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
        while not call.has_read_body:
            message = await call.receive()
            if message["type"] != "http.request":
                call.client_gone = True
                raise IncompleteBody("The client went away before the body was complete.")
            if not message.get("more_body", False):
                call.has_read_body = True
            chunk: bytes = message.get("body", b"")
            if chunk:
                self._count(len(chunk))
                return chunk
        return b""

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
    return call.chunked or call.scope["http_version"] == "2"


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


async def drain_body(call: Call) -> None:
    """Read and forget what the client still sends: 8 MiB and 1 s at most.

    A connection that is closed on unread bytes is reset, and the reset can overtake the answer.
    A client that waits for 100 Continue sends nothing once it has its answer.
    """
    if call.has_read_body or call.client_gone or call.expects_continue:
        return
    source = RequestBody(call, call.request_bytes + _DRAINED_BYTES)
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            while await source.read():
                pass
    except (TimeoutError, ContentTooLarge, IncompleteBody):
        return


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
