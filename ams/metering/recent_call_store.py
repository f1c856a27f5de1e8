"""Recent calls in Valkey: the last 200 of each subscription, forgotten 7 days after the last.

They are a sample for people to look at, so they may be lost with Valkey; usage is elsewhere.
"""

import functools
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Final, cast

import redis
from django.conf import settings

from ams.errors import RecentCallsUnavailable
from wire.recent_calls import RecentCall, parse_recent_call

MOST_OF_ONE: Final = 200
KEPT_SECONDS: Final = 7 * 24 * 3600
_TIMEOUT_SECONDS: Final = 2.0


def add_calls(calls: Iterable[RecentCall]) -> None:
    """Keep `calls`. One round trip. Raises RecentCallsUnavailable."""
    by_subscription: defaultdict[str, list[str]] = defaultdict(list)
    for call in sorted(calls, key=lambda call: call.at):
        by_subscription[call.subscription_id].append(json.dumps(asdict(call)))
    with _map_errors(), _client().pipeline(transaction=False) as pipeline:
        for subscription_id, rows in by_subscription.items():
            key = _key(subscription_id)
            pipeline.lpush(key, *rows)
            pipeline.ltrim(key, 0, MOST_OF_ONE - 1)
            pipeline.expire(key, KEPT_SECONDS)
        pipeline.execute()


def read_calls(subscription_id: str) -> list[RecentCall]:
    """Return what is kept, the newest first. Raises RecentCallsUnavailable."""
    with _map_errors():
        rows = cast("list[bytes]", _client().lrange(_key(subscription_id), 0, MOST_OF_ONE - 1))
    calls = [parse_recent_call(json.loads(row)) for row in rows]
    return sorted(calls, key=lambda call: call.at, reverse=True)


def _key(subscription_id: str) -> str:
    return f"tollgate:recent-calls:{subscription_id}"


@functools.cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=_TIMEOUT_SECONDS,
        socket_connect_timeout=_TIMEOUT_SECONDS,
    )


@contextmanager
def _map_errors() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        raise RecentCallsUnavailable("Recent calls cannot be read or kept now.") from error
