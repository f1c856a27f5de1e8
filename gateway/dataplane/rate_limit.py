"""Rate limits: at most `limit` calls in any window, `burst` of them at once.

Two rules together, both kept by the script in Valkey: a token bucket of `burst` calls that fills
at limit/window (the generic cell rate algorithm says the same), and a sliding window in hundredths
that is never above the larger of `limit` and `burst`. A bucket alone would let limit + burst
through in one window.
"""

import math
from collections import deque
from typing import Final

from gateway.dataplane.errors import RateLimited, Refusal
from gateway.dataplane.leases import Fallback, Grant, Lease, LeaseOffice, Order
from wire.gateway_snapshot import RateLimit

SCRIPT: Final = "rate"
# KEYS[1]: a hash: t = tokens, u = when they were counted (ms), <slot> = calls charged then.
# ARGV: limit, window ms, burst, wanted (negative: given back), slot of what is given back, calls
# admitted while Valkey was away.
SOURCE: Final = """
local limit, window, burst = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local want, back, owed = tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local width = math.max(1, math.floor(window / 100))
local slots = math.ceil(window / width)
local current = math.floor(now / width)
local tokens, updated, used, live, dead = burst, now, 0, {}, {}
local data = redis.call('HGETALL', KEYS[1])
for i = 1, #data, 2 do
  local name, value = data[i], tonumber(data[i + 1])
  if name == 't' then tokens = value
  elseif name == 'u' then updated = value
  elseif tonumber(name) < current - slots then dead[#dead + 1] = name
  else used = used + value; live[#live + 1] = {tonumber(name), value} end
end
if #dead > 0 then redis.call('HDEL', KEYS[1], unpack(dead)) end
tokens = math.min(burst, tokens + math.max(0, now - updated) * limit / window)
if owed > 0 then
  tokens = math.max(0, tokens - owed)
  used = used + owed
  live[#live + 1] = {current, owed}
  redis.call('HINCRBY', KEYS[1], current, owed)
end
local cap = math.max(limit, burst)
local granted = 0
if want < 0 then
  tokens = math.min(burst, tokens - want)
  local there = tonumber(redis.call('HGET', KEYS[1], back) or '0')
  if there > 0 then redis.call('HINCRBY', KEYS[1], back, -math.min(there, -want)) end
else
  granted = math.max(0, math.min(want, math.floor(tokens + 0.000001), cap - used))
  tokens = tokens - granted
  used = used + granted
  if granted > 0 then redis.call('HINCRBY', KEYS[1], current, granted) end
end
redis.call('HSET', KEYS[1], 't', tostring(tokens), 'u', now)
local memory = math.max(window, burst * window / limit)
redis.call('PEXPIRE', KEYS[1], math.ceil(memory) + 2 * width + 1000)
local wait = 0
if granted < want then
  if tokens < 1 then wait = (1 - tokens) * window / limit end
  if used >= cap then
    table.sort(live, function(a, b) return a[1] < b[1] end)
    local left = used
    for _, slot in ipairs(live) do
      left = left - slot[2]
      if left < cap then wait = math.max(wait, (slot[1] + slots + 1) * width - now); break end
    end
    if left >= cap then wait = math.max(wait, window) end
  end
  wait = math.max(1, math.ceil(wait))
end
return {granted, wait, current, math.max(0, cap - used)}
"""

_LONGEST_PAUSE_SECONDS: Final = 0.02
_SHORTEST_PAUSE_SECONDS: Final = 0.002


class RateLease(Lease):
    """A worker's share of a rate limit."""

    def __init__(self, identity: str, key: str, limit: RateLimit, office: LeaseOffice) -> None:
        super().__init__(identity, limit.name, office)
        # Slots are as wide as the window says: another window must not find them.
        self._key = f"{key}:{limit.window_seconds}"
        self._limit = limit
        self._name = limit.name.encode()
        self._window = limit.window_seconds
        # Kept from one outage to the next, so that a Valkey that comes and goes is no way around.
        self._bucket: SlidingBucket | None = None
        # Asking again sooner would cost a round trip for each token; later would waste the bucket.
        refill_seconds = limit.burst * limit.window_seconds / limit.limit
        self._pause_seconds = min(
            max(refill_seconds / 2, _SHORTEST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS
        )

    def order(self, want: int) -> Order:
        # Once, whether or not the answer comes: a call that is charged twice would be refused one.
        owed = self._bucket.report() if self._bucket is not None else 0
        return self._order(want, 0, owed)

    def return_order(self, amount: int, slot: int) -> Order:
        return self._order(-amount, slot, 0)

    def max_block(self) -> int:
        smallest = min(self._limit.limit, self._limit.burst) // 128
        return max(1, smallest // max(1, self._office.fleet))

    def pause_seconds(self, grant: Grant) -> float:
        return max(grant.retry_after_ms / 1000, self._pause_seconds)

    def make_fallback(self) -> Fallback:
        if self._bucket is None:
            self._bucket = SlidingBucket(self._limit, max(1, self._office.fleet))
        return self._bucket

    @property
    def owes(self) -> bool:
        return self._bucket is not None and self._bucket.owed() > 0

    def policy(self) -> bytes:
        name = self.name.encode()
        return b'"%b";q=%d;w=%d' % (name, self._limit.limit, self._limit.window_seconds)

    def state(self, now: float) -> bytes:
        left = self.left
        if self.remaining < 0 and self.blocked_until <= now:
            return b""
        reset = self._window if left else max(1, math.ceil(self.blocked_until - now))
        if self.remaining > 0:
            left += self.remaining
        return b'"%b";r=%d;t=%d' % (self._name, left, reset)

    def refusal(self, now: float) -> Refusal:
        return RateLimited(
            f"The limit {self.name!r} of the plan allows no more calls at the moment.",
            math.ceil(self.blocked_until - now),
            self.name,
        )

    def _order(self, want: int, slot: int, owed: int) -> Order:
        limit = self._limit
        window_ms = limit.window_seconds * 1000
        return Order(SCRIPT, self._key, (limit.limit, window_ms, limit.burst, want, slot, owed))


class SlidingBucket:
    """The same two rules in one process, for one worker's share of the limit."""

    def __init__(self, limit: RateLimit, fleet: int) -> None:
        self._rate = limit.limit / limit.window_seconds / fleet
        self._burst = max(1.0, limit.burst / fleet)
        self._cap = max(1, max(limit.limit, limit.burst) // fleet)
        self._window = float(limit.window_seconds)
        self._width = self._window / 100
        self._tokens = self._burst
        self._updated = 0.0
        self._used = 0
        self._slots: deque[list[float]] = deque()  # [end of slot, calls]
        self._unreported = 0

    def take(self, now: float) -> float:
        """Return 0.0 when the call is admitted, else the seconds to wait."""
        self._age(now)
        slots = self._slots
        self._tokens = min(self._burst, self._tokens + (now - self._updated) * self._rate)
        self._updated = now
        if self._used >= self._cap:
            return slots[0][0] + self._window - now
        if self._tokens < 1.0:
            return (1.0 - self._tokens) / self._rate
        self._tokens -= 1.0
        self._used += 1
        self._unreported += 1
        if not slots or slots[-1][0] <= now:
            slots.append([now + self._width, 0])
        slots[-1][1] += 1
        return 0.0

    def put_back(self) -> None:
        """Undo one `take` that was admitted."""
        self._tokens += 1.0
        if self._slots:
            self._used -= 1
            self._unreported -= 1
            self._slots[-1][1] -= 1

    def is_idle(self, now: float) -> bool:
        """Whether a new bucket would say the same as this one."""
        self._age(now)
        filled = self._tokens + (now - self._updated) * self._rate
        return self._used <= 0 and filled >= self._burst

    def report(self) -> int:
        """Return what is owed, once."""
        amount = self.owed()
        self._unreported = 0
        return amount

    def owed(self) -> int:
        """Return the calls admitted since the last report that still are in the window."""
        return max(0, min(self._unreported, self._used))

    def _age(self, now: float) -> None:
        slots = self._slots
        while slots and slots[0][0] + self._window <= now:
            self._used -= int(slots.popleft()[1])
