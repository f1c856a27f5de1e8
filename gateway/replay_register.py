"""Which proofs were used before (RFC 9449 §11.1): one memory for all workers, in Valkey.

While Valkey is away each worker remembers for itself: a stolen proof is then good once at each
other worker, for as long as proofs are taken (`possession`), and `dpop_replays_local` says so.
"""

import asyncio
import logging
import time
from itertools import islice
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from gateway.counters import Counters
from gateway.dataplane.possession import ReplaysUnchecked

_PREFIX: Final = b"tollgate:gateway:dpop:"
_TIMEOUT_SECONDS: Final = 1.0
_PAUSE_SECONDS: Final = 5.0
# About 150 bytes each.
_MOST_REMEMBERED: Final = 300_000

_log = logging.getLogger(__name__)


class LocalReplays:
    """The memory of one worker."""

    def __init__(self, most: int = _MOST_REMEMBERED) -> None:
        self._most = most
        self._until: dict[bytes, float] = {}

    async def is_first_use(self, key: bytes, seconds: int) -> bool:
        """Whether `key` is new to this worker. Raises ReplaysUnchecked."""
        return self.note(key, seconds, may_forget=False)

    def note(self, key: bytes, seconds: int, *, may_forget: bool) -> bool:
        """Return whether `key` was new, and remember it.

        When full, the oldest are forgotten where somebody else remembers them too (`may_forget`).
        Else it raises ReplaysUnchecked: what it cannot remember it cannot check.
        """
        now = time.monotonic()
        until = self._until.get(key)
        if until is not None and until > now:
            return False
        if len(self._until) >= self._most:
            self._make_room(now, may_forget=may_forget)
        self._until[key] = now + seconds
        return True

    def _make_room(self, now: float, *, may_forget: bool) -> None:
        self._until = {key: end for key, end in self._until.items() if end > now}
        if len(self._until) < self._most:
            return
        if not may_forget:
            raise ReplaysUnchecked
        for key in list(islice(self._until, max(1, self._most // 10))):
            del self._until[key]


class SharedReplays:
    """The memory of all workers; what is asked in one turn of the loop shares a round trip."""

    def __init__(self, *, redis_url: str, counters: Counters) -> None:
        self._redis: Any = Redis.from_url(
            redis_url,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 1),
        )
        self._counters = counters
        self._local = LocalReplays()
        self._away_until = 0.0
        self._waiting: list[tuple[bytes, int, asyncio.Future[bool]]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def is_first_use(self, key: bytes, seconds: int) -> bool:
        """Whether no worker has seen `key` before. Raises ReplaysUnchecked."""
        is_away = time.monotonic() < self._away_until
        # In any case: what was taken while Valkey was away is known when it is back.
        if not self._local.note(key, seconds, may_forget=not is_away):
            return False
        if is_away:
            self._counters.add("dpop_replays_local")
            return True
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bool] = loop.create_future()
        self._waiting.append((key, seconds, future))
        if len(self._waiting) == 1:
            loop.call_soon(self._flush)
        return await future

    async def close(self) -> None:
        """Close the connections."""
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._redis.aclose()

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        task = asyncio.get_running_loop().create_task(self._ask(waiting))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, waiting: list[tuple[bytes, int, "asyncio.Future[bool]"]]) -> None:
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                for key, seconds, _ in waiting:
                    pipe.set(_PREFIX + key, b"1", nx=True, ex=seconds)
                answers = await pipe.execute()
        except (RedisError, OSError) as error:
            if time.monotonic() >= self._away_until:
                _log.error("Valkey is away: each worker remembers proofs for itself: %s", error)
            self._away_until = time.monotonic() + _PAUSE_SECONDS
            self._counters.add("dpop_replays_local", len(waiting))
            answers = [True] * len(waiting)
        for (_, _, future), answer in zip(waiting, answers, strict=True):
            if not future.done():
                future.set_result(bool(answer))
