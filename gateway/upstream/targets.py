"""Several targets of one upstream: whose turn it is, who is out, and what becomes of a failed call.

A target is out while health checks say so, or for a while after failed calls in a row (ejection).
Failed calls never take out the last one that is left: that would make an outage of a guess. Health
checks may, for they know; then calls are refused until a check succeeds. Where checks leave only
targets that are ejected, those get the calls.
"""

import asyncio
import heapq
import logging
import math
import random
from collections.abc import Awaitable, Sequence
from typing import Final

from gateway.upstream import errors
from gateway.upstream.body import BodySource
from gateway.upstream.client import UpstreamClient
from gateway.upstream.handshake import Handshake
from gateway.upstream.request_head import Headers
from gateway.upstream.response import UpstreamResponse
from wire.gateway_snapshot import HealthCheck

_LONGEST_EJECTION_SECONDS: Final = 300.0
_MOST_DOUBLINGS: Final = 10
# What proxies and overloaded servers say of themselves (RFC 9110 §15.6.3 to §15.6.5).
_FAILURES: Final = frozenset({502, 503, 504})

_log = logging.getLogger(__name__)


class Target:
    """One address of an upstream, and what is known of it."""

    __slots__ = (
        "client",
        "ejections",
        "failed_calls",
        "failures",
        "is_ejected",
        "is_healthy",
        "name",
        "prober",
        "readmitted_at",
        "spell",
        "streak",
        "timer",
        "times_ejected",
        "weight",
    )

    def __init__(
        self,
        name: str,
        client: UpstreamClient,
        weight: int,
        prober: UpstreamClient | None = None,
    ) -> None:
        """`prober` is a client for health checks alone: they do not wait behind calls."""
        self.name = name
        self.client = client
        self.prober = prober
        self.weight = weight
        self.is_healthy = True  # until checks say otherwise
        self.streak = 0  # of checks that disagree with is_healthy
        self.is_ejected = False
        self.failures = 0  # failed calls in a row
        self.ejections = 0  # in a row: each is twice as long as the one before
        self.spell = 0.0  # how long the last ejection was
        self.readmitted_at = 0.0  # loop time
        self.timer: asyncio.TimerHandle | None = None
        self.failed_calls = 0  # ever, for metrics
        self.times_ejected = 0

    @property
    def is_up(self) -> bool:
        return self.is_healthy and not self.is_ejected


class TargetGroup:
    """Sends each call to one of `targets`; to the caller it is a client like any other."""

    def __init__(
        self,
        name: str,
        targets: Sequence[Target],
        *,
        eject_after: int = 5,
        ejection_seconds: float = 10.0,
        health: HealthCheck | None = None,
    ) -> None:
        self.path_prefix = b""  # each target has its own
        self.targets = tuple(targets)
        self._name = name
        self._eject_after = eject_after
        self._ejection_seconds = ejection_seconds
        self._health = health
        self._watch: asyncio.Task[None] | None = None
        self._order: list[Target] = []
        self._turn = 0
        self._plan_order()

    def start(self) -> None:
        """Begin to check the targets, where that is wanted."""
        if self._health is not None and self._watch is None:
            self._watch = asyncio.get_running_loop().create_task(self._check_all(self._health))

    def send(
        self, method: bytes, target: bytes, headers: Headers, body: bytes | BodySource
    ) -> Awaitable[UpstreamResponse]:
        """Return the response of the target whose turn it is; see `UpstreamClient.send`.

        Where the request has not left (`UpstreamError.retryable`) the others are tried, each once.
        Raises NoTargetLeft when health checks have taken out all.
        """
        return self._send(method, target, headers, body)

    async def open_websocket(
        self, target: bytes, headers: Headers
    ) -> tuple[UpstreamResponse, Handshake | None]:
        """Return the response of the target whose turn it is; see `UpstreamClient.open_websocket`.

        The others are tried as in `send`.
        """
        chosen = self._next()
        tried = {chosen}
        while True:
            client = chosen.client
            try:
                response, connection = await client.open_websocket(
                    client.path_prefix + target, headers
                )
            except errors.UpstreamError as error:
                self._note_failure(chosen)
                other = self._another(tried) if error.retryable else None
                if other is None:
                    raise
            else:
                self._note_status(chosen, response.status)
                return response, connection
            chosen = other
            tried.add(chosen)

    async def close(self) -> None:
        """Close all clients; see `UpstreamClient.close`."""
        if self._watch is not None:
            self._watch.cancel()
        for target in self.targets:
            if target.timer is not None:
                target.timer.cancel()
        probers = [target.prober for target in self.targets if target.prober is not None]
        clients = [target.client for target in self.targets]
        await asyncio.gather(*(client.close() for client in clients + probers))

    async def _send(
        self, method: bytes, path: bytes, headers: Headers, body: bytes | BodySource
    ) -> UpstreamResponse:
        target = self._next()
        if not isinstance(body, bytes) and len(self.targets) > 1:
            body = _FirstPieceKept(body)
        tried = {target}
        while True:
            try:
                return await self._send_to(target, method, path, headers, body)
            except errors.UpstreamError as error:
                other = self._another(tried) if error.retryable else None
                if other is None:
                    raise
            target = other
            tried.add(target)
            if isinstance(body, _FirstPieceKept):
                body.rewind()

    async def _send_to(
        self,
        target: Target,
        method: bytes,
        path: bytes,
        headers: Headers,
        body: bytes | BodySource,
    ) -> UpstreamResponse:
        client = target.client
        try:
            response = await client.send(method, client.path_prefix + path, headers, body)
        except errors.UpstreamError:
            self._note_failure(target)
            raise
        self._note_status(target, response.status)
        return response

    # Whose turn it is.

    def _next(self) -> Target:
        order = self._order
        if not order:
            seconds = self._health.interval_seconds if self._health is not None else 1.0
            raise errors.NoTargetLeft(
                f"All targets of {self._name} fail their health check.", math.ceil(seconds)
            )
        self._turn += 1
        if self._turn >= len(order):
            self._turn = 0
        return order[self._turn]

    def _another(self, tried: set[Target]) -> Target | None:
        return next((target for target in self._order if target not in tried), None)

    def _plan_order(self) -> None:
        """Write down one round of turns, so that a call costs a step in a list.

        Turns of a target are as far from each other as its weight lets them be.
        """
        healthy = [target for target in self.targets if target.is_healthy]
        usable = [target for target in healthy if not target.is_ejected] or healthy
        divisor = math.gcd(*(target.weight for target in usable)) if usable else 1
        # Stride scheduling: the next turn of a target is 1/weight after the one before.
        queue = [(0.5 / target.weight, at, target) for at, target in enumerate(usable)]
        heapq.heapify(queue)
        order = []
        for _ in range(sum(target.weight for target in usable) // divisor):
            due, at, target = queue[0]
            order.append(target)
            heapq.heapreplace(queue, (due + 1.0 / target.weight, at, target))
        self._order = order
        # Workers that begin with the same target would meet there all the time.
        self._turn = random.randrange(len(order)) if order else 0  # noqa: S311 - not a secret

    # Failed calls.

    def _note_status(self, target: Target, status: int) -> None:
        if status in _FAILURES:
            self._note_failure(target)
        elif target.failures:
            target.failures = 0

    def _note_failure(self, target: Target) -> None:
        target.failures += 1
        target.failed_calls += 1
        if not self._eject_after or target.failures < self._eject_after or target.is_ejected:
            return
        if any(other.is_up for other in self.targets if other is not target):
            self._eject(target)

    def _eject(self, target: Target) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        if now - target.readmitted_at > target.spell:
            target.ejections = 0  # it was well for longer than it was out
        doublings = min(target.ejections, _MOST_DOUBLINGS)
        target.spell = min(self._ejection_seconds * 2**doublings, _LONGEST_EJECTION_SECONDS)
        target.ejections += 1
        target.times_ejected += 1
        target.is_ejected = True
        target.timer = loop.call_later(target.spell, self._readmit, target)
        _log.warning(
            "%s: %s is out for %g s after %d failed calls in a row",
            self._name,
            target.name,
            target.spell,
            target.failures,
        )
        self._plan_order()

    def _readmit(self, target: Target) -> None:
        target.timer = None
        target.is_ejected = False
        target.readmitted_at = asyncio.get_running_loop().time()
        # On probation: one more failure is enough.
        target.failures = self._eject_after - 1
        self._plan_order()

    # Health checks.

    async def _check_all(self, health: HealthCheck) -> None:
        while True:
            started = asyncio.get_running_loop().time()
            await asyncio.gather(*(self._check(target, health) for target in self.targets))
            spent = asyncio.get_running_loop().time() - started
            # A little apart from each other: many workers ask the same targets.
            pause = health.interval_seconds * random.uniform(0.9, 1.0)  # noqa: S311 - not a secret
            await asyncio.sleep(max(0.0, pause - spent))

    async def _check(self, target: Target, health: HealthCheck) -> None:
        is_well = await _answers(target.prober or target.client, health)
        if is_well == target.is_healthy:
            target.streak = 0
            return
        target.streak += 1
        if target.streak < (health.healthy_after if is_well else health.unhealthy_after):
            return
        target.is_healthy = is_well
        target.streak = 0
        _log.warning("%s: %s is %s", self._name, target.name, "up" if is_well else "down")
        self._plan_order()


async def _answers(client: UpstreamClient, health: HealthCheck) -> bool:
    """Whether the target answers its health path with 2xx in time."""
    try:
        async with asyncio.timeout(health.timeout_seconds):
            response = await client.send(b"GET", health.path.encode("ascii"), _CHECK_FIELDS, b"")
            if response.body is None:
                response.abort()
    except (TimeoutError, errors.UpstreamError, ValueError):
        return False
    return 200 <= response.status < 300


_CHECK_FIELDS: Final = [(b"user-agent", b"tollgate-health"), (b"accept", b"*/*")]


class _FirstPieceKept:
    """A body whose first piece can be had again: it is read before there is a connection."""

    __slots__ = ("_first", "_is_rewound", "_source", "length")

    def __init__(self, source: BodySource) -> None:
        self.length = source.length
        self._source = source
        self._first: bytes | None = None
        self._is_rewound = False

    async def read(self) -> bytes:
        """Return the next bytes; b"" at the end."""
        if self._is_rewound and self._first is not None:
            self._is_rewound = False
            return self._first
        piece = await self._source.read()
        if self._first is None:
            self._first = piece
        return piece

    def rewind(self) -> None:
        """Begin anew; nothing but the first piece was read."""
        self._is_rewound = True
