"""Valkey as the place where limits are kept: scripts in batches, and a count of the workers."""

import asyncio
import logging
import secrets
import time
from typing import TYPE_CHECKING, Any, Final, cast

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError

from gateway.counters import Counters
from gateway.dataplane import quota, rate_limit
from gateway.dataplane.leases import Grant, LeaseUnavailable, Order

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_TIMEOUT_SECONDS: Final = 1.0
_MOST_AT_ONCE: Final = 500
_HEARTBEAT_SECONDS: Final = 1.0
_ABSENT_AFTER_SECONDS: Final = 10
_WORKERS_KEY: Final = "tollgate:gateway:workers"
_SOURCES: Final = {
    rate_limit.SCRIPT: rate_limit.SOURCE,
    quota.SCRIPT: quota.SOURCE,
    quota.SEED_SCRIPT: quota.SEED_SOURCE,
}

_log = logging.getLogger(__name__)

_Waiting = list[tuple[Order, "asyncio.Future[Grant]"]]


class LeaseOffice:
    """Runs lease scripts; orders that come in one turn of the loop share a round trip.

    `fleet` is the number of workers seen in the last 10 s, never less than this node's own.
    """

    def __init__(self, *, redis_url: str, worker: str, workers: int, counters: Counters) -> None:
        self.fleet = workers
        self.worker_id = secrets.token_hex(8)
        self.on_recovery: Callable[[], None] = lambda: None
        self._least = workers
        self._worker = worker
        self._counters = counters
        self._redis: Any = Redis.from_url(
            redis_url,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            # A connection may have been closed while it was idle; who is slow is not asked twice.
            retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        )
        self._digests: dict[str, str] = {}
        self._waiting: _Waiting = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_down = False

    def submit(self, order: Order) -> "asyncio.Future[Grant]":
        """Return the answer to come; it may be LeaseUnavailable."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Grant] = loop.create_future()
        if self._is_down:
            future.set_exception(LeaseUnavailable())
            return future
        self._waiting.append((order, future))
        if len(self._waiting) == 1:
            loop.call_soon(self._flush)
        return future

    def count(self, name: str) -> None:
        """Raise a counter of the worker by one."""
        self._counters.add(name)

    async def run(self) -> None:
        """Tell the others that this worker is there, and notice when Valkey comes back."""
        while True:
            await self.beat()
            await asyncio.sleep(_HEARTBEAT_SECONDS)

    async def beat(self) -> None:
        """Count the workers; leave or enter the degraded state."""
        now = int(time.time())
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.zadd(_WORKERS_KEY, {self._worker: now})
                pipe.zremrangebyscore(_WORKERS_KEY, "-inf", now - _ABSENT_AFTER_SECONDS)
                pipe.zcard(_WORKERS_KEY)
                answers = await pipe.execute()
        except (RedisError, OSError) as error:
            self._fail(error)
            return
        self.fleet = max(self._least, int(answers[2]))
        if self._is_down:
            self._is_down = False
            self._counters.set("limits_degraded", 0)
            _log.warning("Valkey is back: limits are shared again")
            self.on_recovery()

    async def close(self) -> None:
        """Deliver what is under way, say that this worker is gone, and close."""
        self._flush()
        if self._tasks:
            await asyncio.wait(self._tasks)
        try:
            await self._redis.zrem(_WORKERS_KEY, self._worker)
        except (RedisError, OSError):
            _log.info("Valkey was away when the worker left")
        await self._redis.aclose()

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        # After an outage each lease has something to say: in pieces, between which calls go on.
        for start in range(0, len(waiting), _MOST_AT_ONCE):
            piece = waiting[start : start + _MOST_AT_ONCE]
            task = asyncio.get_running_loop().create_task(self._deliver(piece))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _deliver(self, waiting: _Waiting) -> None:
        self._counters.add("lease_requests", len(waiting))
        try:
            answers = await self._run_scripts([order for order, _ in waiting])
        except (RedisError, OSError) as error:
            self._fail(error)
            self._counters.add("lease_failures", len(waiting))
            for _, future in waiting:
                if not future.done():
                    future.set_exception(LeaseUnavailable())
            return
        for (_, future), answer in zip(waiting, answers, strict=True):
            if not future.done():
                future.set_result(Grant(*map(int, answer)))

    async def _run_scripts(self, orders: list[Order]) -> list[Any]:
        try:
            return await self._run_loaded(orders)
        except NoScriptError:
            # Valkey was started anew. Orders that did run run again: too little is admitted then.
            self._digests.clear()
            return await self._run_loaded(orders)

    async def _run_loaded(self, orders: list[Order]) -> list[Any]:
        for name in {order.script for order in orders} - self._digests.keys():
            self._digests[name] = await self._redis.script_load(_SOURCES[name])
        async with self._redis.pipeline(transaction=False) as pipe:
            for order in orders:
                pipe.evalsha(self._digests[order.script], 1, order.key, *order.arguments)
            return await cast("Awaitable[list[Any]]", pipe.execute())

    def _fail(self, error: Exception) -> None:
        if not self._is_down:
            self._is_down = True
            self._counters.set("limits_degraded", 1)
            _log.error("Valkey is away, each worker enforces its own share: %s", error)
