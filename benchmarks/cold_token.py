"""64 requests at once with one token that nobody has seen: how often the token service is asked."""

import asyncio
import time
from urllib.parse import urlsplit

from benchmarks.gateway_targets import Target, World, introspections_of_origin, tell_origin
from wire import bearer

_CONNECTIONS = 64


def line_of(name: str, target: Target, world: World) -> str:
    """Return the row of the table; the token service takes 50 ms meanwhile."""
    token = bearer.mint(bearer.Prefix.ACCESS_TOKEN)
    tell_origin(world.origin_port, "delay=0.05")
    before = introspections_of_origin(world.origin_port)
    slowest = asyncio.run(_burst(urlsplit(target.origin).port or 0, token))
    asked = introspections_of_origin(world.origin_port) - before
    tell_origin(world.origin_port)
    return f"| {name} | {asked} | {slowest * 1000:.0f} |"


async def _burst(port: int, token: str) -> float:
    """Return the seconds of the slowest answer."""
    pairs = [await asyncio.open_connection("127.0.0.1", port) for _ in range(_CONNECTIONS)]
    request = (
        "GET /orders/v1/orders/42 HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    ).encode()
    began = time.monotonic()

    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> float:
        writer.write(request)
        answer = await reader.read(-1)
        writer.close()
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"unexpected answer: {answer[:200]!r}")
        return time.monotonic() - began

    return max(await asyncio.gather(*(ask(*pair) for pair in pairs)))
