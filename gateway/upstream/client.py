"""The HTTP/1.1 client of one upstream: what every forwarded request goes through.

It writes the request line, Host, the caller's headers verbatim and its own framing, and nothing
else; it never decodes, collapses or re-encodes a target. One event loop only.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, cast
from urllib.parse import urlsplit

from gateway.upstream import body as request_body
from gateway.upstream import errors, tls
from gateway.upstream.address_book import AddressBook, Judge, Resolver
from gateway.upstream.body import BodySource
from gateway.upstream.handshake import Handshake, HandshakePool
from gateway.upstream.http1 import Connection
from gateway.upstream.pool import ConnectionPool
from gateway.upstream.request_head import Headers, check_target, encode_head, framing_of
from gateway.upstream.response import UpstreamResponse

__all__ = ["BodySource", "UpstreamClient", "UpstreamResponse"]

# Above this a body is sent in slices, so that an early refusal is noticed while sending.
_ONE_WRITE_BYTES: Final = 64 * 1024
# RFC 9110 §9.2.2; TRACE is left out because nothing forwards it.
_IDEMPOTENT: Final = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"})
MAX_CONNECTIONS: Final = 256
_UPGRADE: Final = (b"Connection: Upgrade", b"Upgrade: websocket")
_MAX_WEBSOCKETS: Final = 1024  # at once, of one worker
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class UpstreamClient:
    """Sends requests to the one upstream at `url`. The caller strips hop-by-hop headers."""

    def __init__(
        self,
        *,
        url: str,
        connect_timeout_seconds: float,
        first_byte_timeout_seconds: float,
        idle_timeout_seconds: float,
        ca_pem: str = "",
        max_connections: int = MAX_CONNECTIONS,
        judge: Judge | None = None,
        resolver: Resolver | None = None,
    ) -> None:
        """`judge` says which addresses may be connected to; None: all."""
        parts = urlsplit(url)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            raise ValueError(f"url: http:// or https:// and a host are expected, not {url!r}.")
        if parts.username is not None or parts.query or parts.fragment:
            raise ValueError("url: user information, query and fragment are not allowed.")
        hostname = parts.hostname
        port = _DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port
        self.path_prefix: bytes = parts.path.rstrip("/").encode("ascii")
        check_target(self.path_prefix + b"/")
        self.host_header: bytes = _host_header(hostname)
        if port != _DEFAULT_PORTS[parts.scheme]:
            self.host_header += b":%d" % port
        self._host_line = b"Host: " + self.host_header
        context = tls.make_context(ca_pem) if parts.scheme == "https" else None
        make_book = partial(AddressBook, hostname, port, judge=judge, resolver=resolver)
        self._pool = ConnectionPool(
            make_book(),
            hostname,
            port,
            context,
            connect_timeout_seconds=connect_timeout_seconds,
            first_byte_timeout_seconds=first_byte_timeout_seconds,
            idle_timeout_seconds=idle_timeout_seconds,
            max_connections=max_connections,
        )
        self._idle = self._pool.idle
        # Apart, so that sockets that stay open for hours take no call's place; most need none.
        self._make_handshakes: Callable[[], HandshakePool] = lambda: HandshakePool(
            make_book(),
            hostname,
            port,
            context,
            connect_timeout_seconds=connect_timeout_seconds,
            first_byte_timeout_seconds=first_byte_timeout_seconds,
            idle_timeout_seconds=idle_timeout_seconds,
            max_connections=_MAX_WEBSOCKETS,
        )
        self._handshakes: HandshakePool | None = None

    def send(
        self, method: bytes, target: bytes, headers: Headers, body: bytes | BodySource
    ) -> Awaitable[UpstreamResponse]:
        """Return the response to `method target` as soon as its head is here.

        `target` is sent as it is: the caller has put `path_prefix` before the path. The response
        must be read to its end or aborted. A request on a pooled connection that the upstream had
        closed is sent once more when it is idempotent and its body is at hand. Raises
        UpstreamError, ValueError (see `encode_head`), RequestBodyMismatch, and whatever
        `body.read` raises. Cancelling drops the connection.
        """
        if isinstance(body, bytes):
            if len(body) > _ONE_WRITE_BYTES:
                return self._send_slices(method, target, headers, body)
            framing = framing_of(method, len(body))
            request = encode_head(method, target, self._host_line, headers, framing) + body
            return self._send_whole(method, request)
        return self._send_source(method, target, headers, body)

    async def open_websocket(
        self, target: bytes, headers: Headers
    ) -> tuple[UpstreamResponse, Handshake | None]:
        """Return the response to a WebSocket handshake (RFC 6455 §4.1).

        Where it is 101 the connection comes with it, to be handed over and, at the end, aborted.
        `headers` hold the Sec-WebSocket fields. Raises UpstreamError and ValueError as `send` does.
        """
        request = encode_head(b"GET", target, self._host_line, headers, _UPGRADE)
        pool = self._handshakes = self._handshakes or self._make_handshakes()
        connection = cast("Handshake", await pool.acquire())
        waiter = connection.start(request, is_head=False)
        try:
            response = await waiter
        except asyncio.CancelledError:
            connection.give_up(waiter)
            if connection.has_switched:  # the response alone does not know its connection
                connection.abort()
            raise
        return response, connection if connection.has_switched else None

    async def close(self) -> None:
        """Close idle connections and wait until the busy ones finish; cancelling drops those.

        Requests that are sent later still work, each on a connection of its own.
        """
        await self._pool.close()
        if self._handshakes is not None:
            await self._handshakes.close()

    async def _send_whole(self, method: bytes, request: bytes) -> UpstreamResponse:
        connection = self._idle.pop() if self._idle else await self._pool.acquire()
        waiter = connection.start(request, is_head=method == b"HEAD")
        try:
            return await waiter
        except asyncio.CancelledError:
            connection.give_up(waiter)
            raise
        except errors.ConnectionLost:
            if not _was_stale(connection) or method not in _IDEMPOTENT:
                raise
        return await self._exchange(await self._pool.acquire_fresh(), method, request, None, 0)

    async def _send_slices(
        self, method: bytes, target: bytes, headers: Headers, body: bytes
    ) -> UpstreamResponse:
        framing = framing_of(method, len(body))
        head = encode_head(method, target, self._host_line, headers, framing)
        connection = await self._pool.acquire()
        try:
            return await self._exchange(connection, method, head, request_body.BytesSource(body), 0)
        except errors.ConnectionLost:
            if not _was_stale(connection) or method not in _IDEMPOTENT:
                raise
        connection = await self._pool.acquire_fresh()
        return await self._exchange(connection, method, head, request_body.BytesSource(body), 0)

    async def _send_source(
        self, method: bytes, target: bytes, headers: Headers, source: BodySource
    ) -> UpstreamResponse:
        length = source.length
        framing = framing_of(method, length)
        head = encode_head(method, target, self._host_line, headers, framing)
        # Read before a connection is taken: a slow sender then holds none, and a body that is
        # here in one piece needs no task of its own.
        first = await source.read() if length != 0 else b""
        if length is not None and len(first) == length:
            return await self._send_whole(method, head + first)
        if length is not None and (not first or len(first) > length):
            raise errors.RequestBodyMismatch(f"{len(first)} of {length} bytes of body came.")
        if length is None:
            if not first:
                return await self._send_whole(method, head + b"0\r\n\r\n")
            first_on_wire = request_body.as_chunk(first)
        else:
            first_on_wire = first
        connection = await self._pool.acquire()
        return await self._exchange(connection, method, head + first_on_wire, source, len(first))

    async def _exchange(
        self,
        connection: Connection,
        method: bytes,
        request: bytes,
        rest: BodySource | None,
        sent: int,
    ) -> UpstreamResponse:
        waiter = connection.start(request, is_head=method == b"HEAD", rest=rest, sent=sent)
        try:
            return await waiter
        except asyncio.CancelledError:
            connection.give_up(waiter)
            raise


def _host_header(hostname: str) -> bytes:
    return f"[{hostname}]".encode("ascii") if ":" in hostname else hostname.encode("idna")


def _was_stale(connection: Connection) -> bool:
    """Whether the upstream had closed the pooled connection before it saw the request."""
    return connection.is_reused and not connection.has_received
