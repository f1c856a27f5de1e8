"""Slows down those who guess credentials, without locking out whose credentials they are.

Only failures are counted, in Valkey, by what was guessed at and the network it came from (an IPv4
address, an IPv6 /64), and by the network alone. So nobody can lock a client or a person out from
elsewhere, and a right credential costs no round trip: before a check only this process's memory of
blocked networks is asked.

A credential of 256 random bits is checked even from a network that is blocked: its owner is never
kept out, and guessing it is hopeless. A guessable one (a secret that somebody chose, a password, a
code that is typed) is refused unseen there, or guessing would go on as before.

While Valkey is away each process counts for itself: the limits hold, by process.
"""

import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, Final

from django.conf import settings
from redis import Redis
from redis.exceptions import RedisError

from ims.audit import context
from ims.audit.events import Event, Outcome
from ims.errors import Throttled
from ims.services.record_audit_event import record_audit_event

logger = logging.getLogger(__name__)

# A Valkey that does not answer must not hold up a refusal.
_PATIENCE_SECONDS: Final = 0.5
_MOST_REMEMBERED: Final = 10_000
_UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Limit:
    """Failures within a window of `seconds`: by subject and network, and by network."""

    of_subject: int
    of_network: int
    seconds: int


class Purpose(Enum):
    """What is guessed at, and how often one may."""

    CLIENT_AUTHENTICATION = Limit(10, 100, 60)
    LOGIN = Limit(5, 50, 300)
    # RFC 8628 §5.1: 34 bits are typed by hand; 5 tries for each person and network.
    USER_CODE = Limit(5, 10, 300)
    DEVICE_CODE = Limit(20, 60, 60)
    REGISTRATION = Limit(20, 20, 60)
    REGISTRATION_ACCESS = Limit(10, 50, 60)


@dataclass(frozen=True, slots=True)
class _Bucket:
    """One counter: where it is kept and how far it may go."""

    key: str
    limit: int
    seconds: int


class _Memory:
    """Numbers of this process that are forgotten at a moment of the monotonic clock."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[int, float]] = {}

    def put(self, key: str, number: int, until: float) -> None:
        if len(self._kept) >= _MOST_REMEMBERED:
            self._tidy()
        self._kept[key] = (number, until)

    def get(self, key: str) -> tuple[int, float] | None:
        found = self._kept.get(key)
        return None if found is None or found[1] <= time.monotonic() else found

    def clear(self) -> None:
        self._kept.clear()

    @property
    def is_empty(self) -> bool:
        return not self._kept

    def _tidy(self) -> None:
        now = time.monotonic()
        live = {key: kept for key, kept in self._kept.copy().items() if kept[1] > now}
        # Somebody has filled it on purpose: what is forgotten is blocked again one failure later.
        self._kept = live if len(live) < _MOST_REMEMBERED else {}


_blocked: Final = _Memory()
_counted_here: Final = _Memory()


def refuse_blocked(purpose: Purpose, *, subject: str, address: str | None = None) -> None:
    """Raise Throttled where this process knows the network to be blocked; no round trip."""
    if _blocked.is_empty:
        return
    wait = _find_block(_list_buckets(purpose, subject, address))
    if wait:
        raise Throttled(retry_after_seconds=wait)


def find_wait_seconds(purpose: Purpose, *, subject: str, address: str | None = None) -> int:
    """Return how long to wait before the next try, 0 when one is free; one round trip.

    For what people type, where a guess is cheap and the check is not on a busy path.
    """
    buckets = _list_buckets(purpose, subject, address)
    known = _find_block(buckets)
    if known:
        return known
    counts = _ask(_read, buckets) or [_count_here(bucket, by=0) for bucket in buckets]
    return _block_full(buckets, counts)


def count_failure(purpose: Purpose, *, subject: str, address: str | None = None) -> int:
    """Count a failure; return the seconds to wait when there were too many, else 0.

    One round trip. The first refusal of each window is put into the audit log, for it tells of an
    attack; the ones after it tell nothing new, and must not fill the log.
    """
    buckets = _list_buckets(purpose, subject, address)
    counts = _ask(_increment, buckets) or [_count_here(bucket, by=1) for bucket in buckets]
    wait = _block_full(buckets, counts)
    for bucket, (count, _) in zip(buckets, counts, strict=True):
        if count == bucket.limit:
            record_audit_event(
                event=Event.THROTTLED,
                outcome=Outcome.FAILURE,
                reason=purpose.name.lower(),
                client_id=subject if purpose is Purpose.CLIENT_AUTHENTICATION else "",
                detail={"failures": count, "window_seconds": bucket.seconds},
            )
            break
    return wait


def forget() -> None:
    """Forget what this process knows; the counters in Valkey stay."""
    _blocked.clear()
    _counted_here.clear()


def _list_buckets(purpose: Purpose, subject: str, address: str | None) -> list[_Bucket]:
    limit, network = purpose.value, _network_of(address or context.current().address)
    hashed = hashlib.sha256(subject.encode("utf-8", "replace")).hexdigest()[:24]
    name = f"tollgate:throttle:{purpose.name.lower()}:{network}"
    return [
        _Bucket(f"{name}:{hashed}", limit.of_subject, limit.seconds),
        _Bucket(name, limit.of_network, limit.seconds),
    ]


def _network_of(address: str | None) -> str:
    """Return what one subscriber usually has: an IPv4 address, or an IPv6 /64."""
    if address is None:
        return _UNKNOWN
    parsed = ip_address(address)
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ip_network((parsed, 64), strict=False).network_address)


def _find_block(buckets: list[_Bucket]) -> int:
    now = time.monotonic()
    blocks = [kept for bucket in buckets if (kept := _blocked.get(bucket.key)) is not None]
    return max((_whole_seconds(until - now) for _, until in blocks), default=0)


def _block_full(buckets: list[_Bucket], counts: list[tuple[int, float]]) -> int:
    """Remember the buckets that are full; return the longest wait of them, or 0."""
    wait, now = 0, time.monotonic()
    for bucket, (count, remaining) in zip(buckets, counts, strict=True):
        if count >= bucket.limit:
            _blocked.put(bucket.key, count, now + remaining)
            wait = max(wait, _whole_seconds(remaining))
    return wait


def _whole_seconds(seconds: float) -> int:
    return max(1, int(seconds) + 1)


def _count_here(bucket: _Bucket, *, by: int) -> tuple[int, float]:
    now = time.monotonic()
    count, until = _counted_here.get(bucket.key) or (0, now + bucket.seconds)
    _counted_here.put(bucket.key, count + by, until)
    return count + by, until - now


def _ask(
    question: Callable[[Any, list[_Bucket]], list[tuple[int, float]]], buckets: list[_Bucket]
) -> list[tuple[int, float]] | None:
    try:
        return question(_connect(settings.REDIS_URL), buckets)
    except RedisError as error:
        logger.warning("Failures are counted by process: Valkey does not answer (%s).", error)
        return None


def _increment(valkey: Any, buckets: list[_Bucket]) -> list[tuple[int, float]]:
    pipeline = valkey.pipeline(transaction=False)
    for bucket in buckets:
        pipeline.incr(bucket.key)
        pipeline.expire(bucket.key, bucket.seconds, nx=True)
        pipeline.pttl(bucket.key)
    answers = pipeline.execute()
    return _pair(answers[0::3], answers[2::3])


def _read(valkey: Any, buckets: list[_Bucket]) -> list[tuple[int, float]]:
    pipeline = valkey.pipeline(transaction=False)
    for bucket in buckets:
        pipeline.get(bucket.key)
        pipeline.pttl(bucket.key)
    answers = pipeline.execute()
    return _pair(answers[0::2], answers[1::2])


def _pair(counts: list[Any], remaining: list[int]) -> list[tuple[int, float]]:
    return [
        (int(count or 0), max(milliseconds, 0) / 1000)
        for count, milliseconds in zip(counts, remaining, strict=True)
    ]


@cache
def _connect(url: str) -> Any:
    return Redis.from_url(
        url, socket_timeout=_PATIENCE_SECONDS, socket_connect_timeout=_PATIENCE_SECONDS
    )
