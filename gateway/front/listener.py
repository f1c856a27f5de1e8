"""The public port: its socket, its TLS context, and which HTTP a new connection speaks."""

import asyncio
import socket
import ssl
from pathlib import Path
from typing import Final

from gateway.front.http1 import Http1Connection
from gateway.front.shared import Front

_BACKLOG: Final = 2048
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


def make_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return a server context: TLS 1.2 or newer.

    Raises OSError (ssl.SSLError is one) when the files cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_TLS12_CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["http/1.1"])
    return context


def reload_certificate(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Use the files as they are now for new connections. Raises OSError, with nothing changed."""
    make_context(certificate, key)  # a pair that does not match would be half loaded
    context.load_cert_chain(certificate, key)


async def listen(
    front: Front, listening: socket.socket, context: ssl.SSLContext | None
) -> asyncio.Server:
    """Accept connections on `listening`."""
    limits = front.limits

    def factory() -> asyncio.Protocol:
        return Http1Connection(front)

    if context is None:
        return await front.loop.create_server(factory, sock=listening, backlog=_BACKLOG)
    return await front.loop.create_server(
        factory,
        sock=listening,
        backlog=_BACKLOG,
        ssl=context,
        ssl_handshake_timeout=limits.handshake_seconds,
        ssl_shutdown_timeout=limits.linger_seconds,
    )
