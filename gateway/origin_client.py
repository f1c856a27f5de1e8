"""Control traffic to the token service and the control API, over the gateway's own HTTP client.

httpx would cost milliseconds of CPU for each introspection; this is the client that forwarding
uses, with one pool per origin and kind of waiting.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from gateway.upstream.address_book import Judge
from gateway.upstream.client import UpstreamClient, UpstreamResponse
from gateway.upstream.errors import UpstreamError

_MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
_CONNECT_SECONDS: Final = 2.0

Headers = Sequence[tuple[bytes, bytes]]


class OriginUnreachable(Exception):
    """No usable HTTP answer; the text names the origin, never a credential."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete response; header names in lower case."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


class OriginClient:
    """Sends requests to absolute URLs.

    The answer must begin within `patience_seconds`, and never stand still for longer. Where calls
    wait for it, `most_seconds` bounds the whole: what drips is late, though it never stands still.
    """

    def __init__(
        self,
        *,
        ca_pem: str,
        patience_seconds: float,
        most_seconds: float | None = None,
        most_bytes: int = _MAX_ANSWER_BYTES,
        judge: Judge | None = None,
    ) -> None:
        """`judge` says which addresses may be connected to; None: all."""
        self._judge = judge
        self._ca_pem = ca_pem
        self._most_bytes = most_bytes
        self._patience_seconds = patience_seconds
        self._most_seconds = most_seconds
        self._clients: dict[str, UpstreamClient] = {}

    async def request(self, method: bytes, url: str, headers: Headers, body: bytes = b"") -> Answer:
        """Return the whole answer. Raises OriginUnreachable."""
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            client = self._clients.get(origin) or self._open(origin)
            async with asyncio.timeout(self._most_seconds):
                response = await client.send(method, target.encode("ascii"), list(headers), body)
                content = response.body
                if content is None:
                    content = await self._read(response)
        except TimeoutError as error:
            raise OriginUnreachable(
                f"{origin}: the answer took longer than {self._most_seconds} s."
            ) from error
        except (UpstreamError, ValueError) as error:
            raise OriginUnreachable(f"{origin}: {error}") from error
        if len(content) > self._most_bytes:
            raise OriginUnreachable(f"{origin}: the answer is too long.")
        return Answer(response.status, {k.lower(): v for k, v in response.headers}, content)

    async def close(self) -> None:
        """Close every connection; those that wait are dropped by the tasks that own them."""
        for client in self._clients.values():
            await client.close()

    async def _read(self, response: UpstreamResponse) -> bytes:
        """Return the body, a little more than what is allowed where it is longer."""
        content = bytearray()
        try:
            while piece := await response.read():
                content += piece
                if len(content) > self._most_bytes:
                    break
        finally:
            response.abort()  # a body that is complete keeps its connection
        return bytes(content)

    def _open(self, origin: str) -> UpstreamClient:
        client = self._clients[origin] = UpstreamClient(
            url=origin,
            connect_timeout_seconds=_CONNECT_SECONDS,
            first_byte_timeout_seconds=self._patience_seconds,
            idle_timeout_seconds=self._patience_seconds,
            ca_pem=self._ca_pem,
            max_connections=64,
            judge=self._judge,
        )
        return client
