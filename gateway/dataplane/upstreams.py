"""The clients of all upstreams; one that a new snapshot leaves unchanged keeps its connections."""

import asyncio
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TypeAlias

from gateway.upstream.address_book import Resolver
from gateway.upstream.client import MAX_CONNECTIONS, UpstreamClient
from gateway.upstream.targets import Target, TargetGroup
from wire.addresses import may_be_upstream
from wire.gateway_snapshot import Upstream

Client: TypeAlias = UpstreamClient | TargetGroup


class Upstreams:
    """Makes, keeps and closes upstream clients."""

    def __init__(self, *, allow_internal: bool = False, resolver: Resolver | None = None) -> None:
        """`allow_internal`: also for upstreams that do not say so themselves."""
        self._allow_internal = allow_internal
        self._resolver = resolver
        self._clients: dict[Upstream, Client] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def make(self, upstreams: Iterable[Upstream]) -> Mapping[Upstream, Client]:
        """Return a client for each, old ones where possible. Raises ValueError (bad URL or CA).

        Nothing is kept or closed before `keep_only`.
        """
        return {
            upstream: self._clients.get(upstream) or self._make_client(upstream)
            for upstream in upstreams
        }

    def keep_only(self, clients: Mapping[Upstream, Client]) -> None:
        """Keep `clients`; the others are closed when their calls are over."""
        for upstream, client in self._clients.items():
            if upstream not in clients:
                task = asyncio.get_running_loop().create_task(client.close())
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)
        self._clients = dict(clients)
        for client in clients.values():
            if isinstance(client, TargetGroup):
                client.start()

    def groups(self) -> list[tuple[str, TargetGroup]]:
        """Return the upstreams whose targets are watched, by name."""
        return [
            (upstream.slug or upstream.id, client)
            for upstream, client in self._clients.items()
            if isinstance(client, TargetGroup)
        ]

    async def close(self) -> None:
        """Close every client at once; calls are over by now."""
        tasks = [asyncio.ensure_future(client.close()) for client in self._clients.values()]
        tasks += self._closing
        await asyncio.sleep(0)  # lets each begin; a task cancelled before that does nothing
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _make_client(self, upstream: Upstream) -> Client:
        if not upstream.targets and upstream.health is None:
            return self._open(upstream, upstream.url)  # nothing to choose: it costs nothing
        addresses = [(target.url, target.weight) for target in upstream.targets]
        return TargetGroup(
            upstream.slug or upstream.id,
            [
                Target(
                    url,
                    self._open(upstream, url),
                    weight,
                    self._open(upstream, url, max_connections=1) if upstream.health else None,
                )
                for url, weight in addresses or [(upstream.url, 1)]
            ],
            eject_after=upstream.eject_after,
            ejection_seconds=upstream.ejection_seconds,
            health=upstream.health,
        )

    def _open(
        self, upstream: Upstream, url: str, *, max_connections: int = MAX_CONNECTIONS
    ) -> UpstreamClient:
        return UpstreamClient(
            url=url,
            connect_timeout_seconds=upstream.connect_timeout_seconds,
            first_byte_timeout_seconds=upstream.first_byte_timeout_seconds,
            idle_timeout_seconds=upstream.idle_timeout_seconds,
            ca_pem=upstream.ca_pem,
            judge=partial(
                may_be_upstream, allow_internal=upstream.allow_internal or self._allow_internal
            ),
            resolver=self._resolver,
            max_connections=max_connections,
        )
