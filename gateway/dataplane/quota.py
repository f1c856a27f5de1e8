"""Quotas: at most `limit` calls in a calendar period of the plan's time zone."""

import time
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from gateway.dataplane.leases import Fallback, Grant, Lease, LeaseOffice, Order
from wire.gateway_snapshot import Quota

SCRIPT: Final = "quota"
# KEYS[1]: calls charged in the period. ARGV: limit, wanted (negative: given back), workers,
# calls admitted while Valkey was away, when the period ends (Unix seconds).
SOURCE: Final = """
local limit, want = tonumber(ARGV[1]), tonumber(ARGV[2])
local workers, owed = tonumber(ARGV[3]), tonumber(ARGV[4])
local used = tonumber(redis.call('GET', KEYS[1]) or '0') + owed
local granted = 0
if want < 0 then
  used = math.max(0, used + want)
else
  local free = limit - used
  granted = math.max(0, math.min(want, free, math.max(1, math.floor(free / (4 * workers)))))
  used = used + granted
end
redis.call('SET', KEYS[1], used, 'EXAT', tonumber(ARGV[5]) + 86400)
local wait = 0
if granted == 0 and want > 0 then wait = 1000 end
return {granted, wait, 0, math.max(0, limit - used)}
"""

PERIODS: Final = frozenset({"hour", "day", "week", "month", "year"})
_LARGEST_BLOCK: Final = 1000
# Others may give back what they do not use, so a used-up quota is looked at again.
_LOOK_AGAIN_SECONDS: Final = 2.0


def period_of(quota: Quota, unix_now: float) -> tuple[datetime, datetime]:
    """Return when the calendar period around `unix_now` began and when it ends."""
    now = datetime.fromtimestamp(unix_now, tz=ZoneInfo(quota.timezone))
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if quota.period == "hour":
        # Hours are counted in UTC, where none is there twice.
        hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        return hour, hour + timedelta(hours=1)
    if quota.period == "day":
        return midnight, midnight + timedelta(days=1)
    if quota.period == "week":
        monday = midnight - timedelta(days=now.weekday())
        return monday, monday + timedelta(days=7)
    if quota.period == "year":
        new_year = midnight.replace(month=1, day=1)
        return new_year, new_year.replace(year=now.year + 1)
    first = midnight.replace(day=1)
    return first, (first + timedelta(days=32)).replace(day=1)


class QuotaLease(Lease):
    """A worker's share of a quota."""

    def __init__(self, key: str, quota: Quota, office: LeaseOffice) -> None:
        super().__init__(office)
        self._base_key = key
        self._quota = quota
        self._owed = self._owed_under_way = 0
        self._key = ""
        self._ends_unix = 0
        self.period_ends = 0.0  # of time.monotonic
        self._begin_period()

    def take(self, now: float) -> int:
        """Return ADMITTED, REFUSED or ASK; what is left does not survive the period."""
        if now >= self.period_ends:
            self._begin_period()
        return super().take(now)

    def order(self, want: int) -> Order:
        self._owed_under_way, self._owed = self._owed, 0
        return self._order(want, self._owed_under_way)

    def order_failed(self) -> None:
        self._owed += self._owed_under_way

    def return_order(self, amount: int, slot: int) -> Order:
        del slot
        return self._order(-amount, 0)

    def max_block(self) -> int:
        return max(1, min(_LARGEST_BLOCK, self._quota.limit // (128 * max(1, self._office.fleet))))

    def pause_seconds(self, grant: Grant) -> float:
        return _LOOK_AGAIN_SECONDS if grant.granted == 0 else 0.0

    def make_fallback(self) -> Fallback:
        known = self._quota.limit if self.remaining < 0 else self.remaining
        return _LocalShare(self, known // max(1, self._office.fleet))

    def note_owed(self) -> None:
        """Remember a call that Valkey has not been told of."""
        self._owed += 1

    def _begin_period(self) -> None:
        unix_now = time.time()
        start, end = period_of(self._quota, unix_now)
        self._key = f"{self._base_key}:{start.astimezone(UTC):%Y%m%dT%H%M}"
        self._ends_unix = int(end.timestamp())
        self.period_ends = time.monotonic() + end.timestamp() - unix_now
        self.forget_pending()
        self.left = self._owed = self._owed_under_way = 0
        self.remaining = -1
        self.blocked_until = 0.0
        if self.fallback is not None:
            self.fallback = self.make_fallback()

    def _order(self, want: int, owed: int) -> Order:
        fleet = max(1, self._office.fleet)
        return Order(SCRIPT, self._key, (self._quota.limit, want, fleet, owed, self._ends_unix))


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
        self._lease.note_owed()
        return 0.0
