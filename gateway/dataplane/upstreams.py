"""The clients of all upstreams; one that a new snapshot leaves unchanged keeps its connections."""

import asyncio
from collections.abc import Iterable, Mapping

from gateway.upstream.client import UpstreamClient
from wire.gateway_snapshot import Upstream


class Upstreams:
    """Makes, keeps and closes upstream clients."""

    def __init__(self) -> None:
        self._clients: dict[Upstream, UpstreamClient] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def make(self, upstreams: Iterable[Upstream]) -> Mapping[Upstream, UpstreamClient]:
        """Return a client for each, old ones where possible. Raises ValueError (bad URL or CA).

        Nothing is kept or closed before `keep_only`.
        """
        return {
            upstream: self._clients.get(upstream) or _make_client(upstream)
            for upstream in upstreams
        }

    def keep_only(self, clients: Mapping[Upstream, UpstreamClient]) -> None:
        """Keep `clients`; the others are closed when their calls are over."""
        for upstream, client in self._clients.items():
            if upstream not in clients:
                task = asyncio.get_running_loop().create_task(client.close())
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)
        self._clients = dict(clients)

    async def close(self) -> None:
        """Close every client at once; calls are over by now."""
        tasks = [asyncio.ensure_future(client.close()) for client in self._clients.values()]
        tasks += self._closing
        await asyncio.sleep(0)  # lets each begin; a task cancelled before that does nothing
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _make_client(upstream: Upstream) -> UpstreamClient:
    return UpstreamClient(
        url=upstream.url,
        connect_timeout_seconds=upstream.connect_timeout_seconds,
        first_byte_timeout_seconds=upstream.first_byte_timeout_seconds,
        idle_timeout_seconds=upstream.idle_timeout_seconds,
        ca_pem=upstream.ca_pem,
    )
