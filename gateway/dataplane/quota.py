"""Quotas: at most `limit` calls in a calendar period of the plan's time zone.

Valkey keeps the sum and, for each worker process, what that worker took. A worker states its own
total with each order, and the script charges the difference to the last total. So an answer that
is lost, an order that is sent twice, a Valkey that was away or that forgot everything: the next
statement puts it right, and no call is ever charged twice.
"""

import math
import time
from dataclasses import dataclass
from datetime import UTC
from typing import Final, Protocol

from gateway.dataplane.errors import QuotaExhausted, Refusal
from gateway.dataplane.leases import Fallback, Grant, Lease, LeaseOffice, Order
from wire.calendar_period import calendar_period
from wire.gateway_snapshot import Quota

SCRIPT: Final = "quota"
# KEYS[1]: a hash: t = calls charged in the period, s = metered calls it was seeded with,
# <worker> = what the worker took, <worker># = the number of its last order.
# ARGV: limit, wanted, workers, when the period ends (Unix seconds), the worker, its total, its
# total as of the last answer it had, the number of this order.
SOURCE: Final = """
local limit, want, workers = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local who, mine, number = ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[8])
local known = redis.call('HMGET', KEYS[1], 't', 's', who, who .. '#')
local used = tonumber(known[1] or '0')
if known[4] and tonumber(known[4]) >= number then
  return {0, 1000, 0, math.max(0, limit - used)}
end
local before = known[3] or (known[2] and ARGV[7]) or '0'
used = math.max(0, used + mine - tonumber(before))
local granted = 0
if want > 0 then
  local free = limit - used
  granted = math.max(0, math.min(want, free, math.max(1, math.floor(free / (4 * workers)))))
end
used = used + granted
redis.call('HSET', KEYS[1], 't', used, who, mine + granted, who .. '#', number)
redis.call('EXPIREAT', KEYS[1], tonumber(ARGV[4]) + 86400)
local wait = 0
if granted == 0 and want > 0 then wait = 1000 end
return {granted, wait, known[1] and 0 or 1, math.max(0, limit - used)}
"""

SEED_SCRIPT: Final = "quota-seed"
# KEYS[1]: the same hash. ARGV: metered calls, when the period ends. What is metered holds the calls
# that workers state as well, so the larger of the two is the sum; workers that have not stated
# theirs yet are charged from their last statement on.
SEED_SOURCE: Final = """
local calls = tonumber(ARGV[1])
if redis.call('HSETNX', KEYS[1], 's', calls) == 0 then return {0, 0, 0, 0} end
local used = tonumber(redis.call('HGET', KEYS[1], 't') or '0')
if calls > used then redis.call('HSET', KEYS[1], 't', calls) end
redis.call('EXPIREAT', KEYS[1], tonumber(ARGV[2]) + 86400)
return {math.max(0, calls - used), 0, 0, 0}
"""

_LARGEST_BLOCK: Final = 1000
# Others may give back what they do not use, so a used-up quota is looked at again.
_LOOK_AGAIN_SECONDS: Final = 2.0
# Lua counts in doubles; a limit above this is none.
_LARGEST_LIMIT: Final = 1 << 52


# Usage is folded within seconds and by hours: of a shorter period it would say too little.
_SHORTEST_SEEDED_SECONDS: Final = 20 * 3600
_NEW_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Seed:
    """A quota's count that is not there although its period is not new. Times are Unix seconds."""

    key: str
    subscription_id: str
    since: int
    ends: int


class QuotaOffice(LeaseOffice, Protocol):
    """A lease office that also fetches what is metered."""

    def want_seed(self, seed: Seed) -> None:
        """Give the quota its metered calls, later."""


class QuotaLease(Lease):
    """A worker's share of a quota."""

    def __init__(
        self, identity: str, key: str, quota: Quota, subscription_id: str, office: QuotaOffice
    ) -> None:
        super().__init__(identity, quota.name, office)
        self.is_quota = True
        self._seeds = office
        self._base_key = key
        self._subscription_id = subscription_id
        self._quota = quota
        self._limit = min(quota.limit, _LARGEST_LIMIT)
        self._name = quota.name.encode()
        self._number = 0
        self._mine = 0  # taken in this period, what is left of the lease included
        self._told = self._known = 0  # `_mine` as of the last order, and of the last answer
        self._key = ""
        self._ends_unix = 0
        self._period_seconds = 0
        self._begin_period()

    def take(self, now: float) -> int:
        """Return ADMITTED, REFUSED or ASK; what is left does not survive the period."""
        if now >= self.ends:
            self._begin_period()
        return super().take(now)

    def order(self, want: int) -> Order:
        self._number += 1
        self._told = self._mine
        fleet = max(1, self._office.fleet)
        return Order(
            SCRIPT,
            self._key,
            (
                self._limit,
                want,
                fleet,
                self._ends_unix,
                self._office.worker_id,
                self._mine,
                self._known,
                self._number,
            ),
        )

    def return_order(self, amount: int, slot: int) -> Order:
        del slot
        self._mine -= amount
        order = self.order(0)
        self._known = self._mine
        return order

    def granted(self, grant: Grant) -> None:
        if grant.slot and self._known:
            # Valkey was told of calls of this period before, and knows of none.
            self._office.count("limits_data_lost")
        if grant.slot and self._period_seconds > _SHORTEST_SEEDED_SECONDS:
            began = self._ends_unix - self._period_seconds
            if time.time() - began > _NEW_SECONDS:
                self._seeds.want_seed(
                    Seed(self._key, self._subscription_id, began, self._ends_unix)
                )
        self._mine += grant.granted
        self._known = self._told + grant.granted

    def max_block(self) -> int:
        return max(1, min(_LARGEST_BLOCK, self._limit // (128 * max(1, self._office.fleet))))

    def pause_seconds(self, grant: Grant) -> float:
        return _LOOK_AGAIN_SECONDS if grant.granted == 0 else 0.0

    def make_fallback(self) -> Fallback:
        known = self._limit if self.remaining < 0 else self.remaining
        return _LocalShare(self, known // max(1, self._office.fleet))

    @property
    def owes(self) -> bool:
        return self._mine > self._known

    def policy(self) -> bytes:
        return b'"%b";q=%d;w=%d' % (self.name.encode(), self._quota.limit, self._period_seconds)

    def state(self, now: float) -> bytes:
        if self.remaining < 0:
            return b""
        left, reset = self.left + self.remaining, int(self.ends - now) + 1
        return b'"%b";r=%d;t=%d' % (self._name, left, reset)

    def refusal(self, now: float) -> Refusal:
        return QuotaExhausted(
            f"The quota {self.name!r} of the plan is used up for this {self._quota.period}.",
            math.ceil(self.ends - now),
            self.name,
        )

    def note_local(self, calls: int) -> None:
        """Remember calls that were admitted without Valkey."""
        self._mine += calls

    def _begin_period(self) -> None:
        unix_now = time.time()
        start, end = calendar_period(self._quota.period, self._quota.timezone, unix_now)
        self._key = f"{self._base_key}:{start.astimezone(UTC):%Y%m%dT%H%M}"
        self._ends_unix = int(end.timestamp())
        self._period_seconds = int((end - start).total_seconds())
        self.ends = time.monotonic() + end.timestamp() - unix_now
        self.forget_pending()
        self.left = self._mine = self._told = self._known = 0
        self.remaining = -1
        self.blocked_until = 0.0
        if self.fallback is not None:
            self.fallback = self.make_fallback()


class _LocalShare:
    """What a worker may admit of a quota while nobody keeps the sum."""

    def __init__(self, lease: QuotaLease, share: int) -> None:
        self._lease = lease
        self._left = share

    def take(self, now: float) -> float:
        """Return 0.0 when the call is admitted, else the seconds to wait."""
        del now
        if self._left <= 0:
            return _LOOK_AGAIN_SECONDS
        self._left -= 1
        self._lease.note_local(1)
        return 0.0

    def put_back(self) -> None:
        """Undo one `take` that was admitted."""
        self._left += 1
        self._lease.note_local(-1)

    def is_idle(self, now: float) -> bool:
        """Whether a new share would say the same; what is owed is the lease's to say."""
        del now
        return True
