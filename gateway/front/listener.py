"""The public port: its socket, its TLS context, and which HTTP a new connection speaks."""

import asyncio
import socket
import ssl
from functools import partial
from pathlib import Path
from typing import Final, cast

from gateway.front.arrival import Arrival
from gateway.front.frame_gate import PREFACE
from gateway.front.http1 import Http1Connection
from gateway.front.http2 import Http2Connection
from gateway.front.shared import Front
from gateway.front.tls_door import TLSDoor

_BACKLOG: Final = 2048
_TELLING: Final = PREFACE[:4]  # "PRI ", which is no method
_TLS12_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"  # RFC 9113 §9.2.2 forbids the others


def open_socket(address: str, port: int) -> socket.socket:
    """Return a socket on the port that the workers share (SO_REUSEPORT). Raises OSError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.bind((address, port))
    except OSError:
        listening.close()
        raise
    return listening


def open_sockets(addresses: list[tuple[str, int]]) -> list[socket.socket]:
    """Return a socket for each address; all or none are open. Raises OSError."""
    opened: list[socket.socket] = []
    try:
        for address, port in addresses:
            opened.append(open_socket(address, port))
    except OSError:
        for listening in opened:
            listening.close()
        raise
    return opened


def make_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return a server context: TLS 1.2 or newer, HTTP/2 before HTTP/1.1.

    Raises OSError (ssl.SSLError is one) when the files cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_TLS12_CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


async def listen(
    front: Front, listening: socket.socket, context: ssl.SSLContext | None
) -> asyncio.Server:
    """Accept connections on `listening`."""

    def doorway() -> asyncio.Protocol:
        return Doorway(front)

    factory = doorway if context is None else partial(TLSDoor, front, context, doorway)
    return await front.loop.create_server(factory, sock=listening, backlog=_BACKLOG)


class Doorway(Arrival):
    """A connection until it is known what it speaks: by ALPN over TLS, else by its first bytes."""

    __slots__ = ("_first",)

    def __init__(self, front: Front) -> None:
        super().__init__(front)
        self._first = b""
        self.deadline = front.now + front.limits.idle_seconds

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        tls = transport.get_extra_info("ssl_object")
        if tls is None:
            self.enter(transport)
        else:
            is_http2 = tls.selected_alpn_protocol() == "h2"
            self._become(cast("asyncio.Transport", transport), is_http2=is_http2)

    def data_received(self, data: bytes) -> None:
        # Prior knowledge (RFC 9113 §3.3), from a proxy that ends TLS before us. No upgrade: h2c
        # upgrades are a way to smuggle requests past a proxy.
        data = self._first + data
        if len(data) < len(_TELLING) and _TELLING.startswith(data):
            self._first = data
            self.deadline = self._front.now + self._front.limits.head_seconds
            return
        if self._outlet is not None:
            transport = cast("asyncio.Transport", self._outlet)
            self._become(transport, is_http2=data.startswith(_TELLING)).data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._front.connections.discard(self)

    def _become(
        self, transport: asyncio.Transport, *, is_http2: bool
    ) -> Http1Connection | Http2Connection:
        self._front.connections.discard(self)
        self._outlet = None
        connection = Http2Connection(self._front) if is_http2 else Http1Connection(self._front)
        transport.set_protocol(cast("asyncio.Protocol", connection))
        connection.connection_made(transport)
        return connection
