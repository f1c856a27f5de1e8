"""Bytes in, bytes out: requests that no proper client would send."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    """What came back: status 0 when the connection was closed without a response."""

    status: int
    headers: dict[str, str]
    body: bytes


def send(url: str, payload: bytes, *, ca_file: str, timeout_seconds: float = 10) -> Answer:
    """Send `payload` over TLS to the origin of `url` and read one response."""
    with _connect(url, ca_file, timeout_seconds) as connection:
        connection.sendall(payload)
        return read_answer(connection)


def send_until_closed(
    url: str, payload: bytes, *, ca_file: str, timeout_seconds: float = 10
) -> bytes:
    """Send `payload` and return every byte until the server closes; TimeoutError if it does not."""
    received = b""
    with _connect(url, ca_file, timeout_seconds) as connection:
        connection.sendall(payload)
        while chunk := _receive(connection):
            received += chunk
    return received


@contextmanager
def _connect(url: str, ca_file: str, timeout_seconds: float) -> Iterator[ssl.SSLSocket]:
    parts = urlsplit(url)
    context = ssl.create_default_context(cafile=ca_file)
    context.set_alpn_protocols(["http/1.1"])
    with (
        socket.create_connection((parts.hostname, parts.port), timeout_seconds) as plain,
        context.wrap_socket(plain, server_hostname=parts.hostname) as connection,
    ):
        yield connection


def read_answer(connection: ssl.SSLSocket) -> Answer:
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = _receive(connection)
        if not chunk:
            return Answer(0, {}, received)
        received += chunk
    head, body = received.split(b"\r\n\r\n", 1)
    lines = head.decode("latin-1").split("\r\n")
    headers = {
        name.strip().lower(): value.strip()
        for name, value in (line.split(":", 1) for line in lines[1:])
    }
    length = int(headers.get("content-length", "0"))
    while len(body) < length:
        chunk = _receive(connection)
        if not chunk:
            break
        body += chunk
    return Answer(int(lines[0].split(" ")[1]), headers, body)


def _receive(connection: ssl.SSLSocket) -> bytes:
    try:
        return connection.recv(65536)
    except ConnectionResetError:
        return b""
