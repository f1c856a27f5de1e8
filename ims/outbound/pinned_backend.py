"""Connections to addresses that were checked before, within one time limit for everything."""

import ssl
import time
from collections.abc import Iterable, Sequence
from typing import Any

import httpcore

from wire.addresses import Address


class PinnedBackend(httpcore.NetworkBackend):
    """Connects to `addresses`, whatever the name is; it never resolves one.

    `deadline` is on the monotonic clock, in seconds. TLS still verifies the name, because httpcore
    takes that from the URL.
    """

    def __init__(self, addresses: Sequence[Address], deadline: float) -> None:
        self._addresses = addresses
        self._deadline = deadline
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Return a connection to the first of the addresses that takes one."""
        del host, timeout, local_address
        for address in self._addresses[:-1]:
            try:
                return self._connect(address, port, socket_options)
            except httpcore.ConnectError:
                continue
        return self._connect(self._addresses[-1], port, socket_options)

    def _connect(
        self, address: Address, port: int, socket_options: Iterable[Any] | None
    ) -> httpcore.NetworkStream:
        stream = self._sockets.connect_tcp(
            str(address), port, get_remaining(self._deadline), None, socket_options
        )
        return DeadlineStream(stream, self._deadline)


class DeadlineStream(httpcore.NetworkStream):
    """A connection on which every step has only what is left of the time.

    A limit for each read would let a peer that sends a byte now and then go on for ever.
    """

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        del timeout
        return self._stream.read(max_bytes, get_remaining(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        del timeout
        self._stream.write(buffer, get_remaining(self._deadline))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        del timeout
        remaining = get_remaining(self._deadline)
        stream = self._stream.start_tls(ssl_context, server_hostname, remaining)
        return DeadlineStream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def get_remaining(deadline: float) -> float:
    """Return the seconds that are left. Raises httpcore.ReadTimeout when there are none."""
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise httpcore.ReadTimeout("the time is over")
    return remaining
