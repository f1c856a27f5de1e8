"""Shares of a limit, leased from Valkey in blocks, so that a call never waits for a round trip.

A lease of `n` calls is charged to the shared limit when it is given, by one atomic script. What a
worker has not used stays charged: so never more is admitted than the limit says, but for the
calls a worker may hold over from an earlier window. That is at most `max_block`, which is 1 % of
the limit divided by the number of workers, or one call: the stated error. Idle leases go back.

While Valkey is away each worker enforces its own share: limit divided by workers.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Final, Protocol

# Outcomes of `take`.
ADMITTED: Final = 0
REFUSED: Final = 1
ASK: Final = 2  # await `refill`, then take again

_IDLE_SECONDS: Final = 5.0
# Two refills closer than this: the block doubles. Further apart than _SLOW: no refill ahead.
_FAST_SECONDS: Final = 0.25
_SLOW_SECONDS: Final = 2.0


class LeaseUnavailable(Exception):
    """Valkey did not answer."""


@dataclass(frozen=True, slots=True)
class Order:
    """One run of a script on one key."""

    script: str  # name
    key: str
    arguments: tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Grant:
    """What the script answered."""

    granted: int
    retry_after_ms: int  # until more may be had; 0 when `granted` is what was wanted
    slot: int  # where it was charged; goes back with what is returned
    remaining: int  # what is left for everybody


class LeaseOffice(Protocol):
    """Runs scripts at Valkey; several orders share one round trip."""

    fleet: int  # workers that share the limits, this one included

    def submit(self, order: Order) -> "asyncio.Future[Grant]":
        """Return the answer to come; it may be LeaseUnavailable."""


class Fallback(Protocol):
    """The worker's own share, for as long as Valkey is away."""

    def take(self, now: float) -> float:
        """Return 0.0 when the call is admitted, else the seconds to wait."""


class Lease:
    """A worker's share of one limit of one subscription."""

    def __init__(self, office: LeaseOffice) -> None:
        self.left = 0
        self.low_water = 0  # at this many left, the next lease is asked for
        self.remaining = -1  # of everybody, as of the last grant; -1: not known
        self.blocked_until = 0.0
        self.fallback: Fallback | None = None
        self._office = office
        self._pending: asyncio.Future[Grant] | None = None
        self._block = 1
        self._slot = 0
        self._refilled_at = 0.0
        self._idle_since = 0.0
        self._left_at_sweep = 0
        self._waiters = 0

    # Each limit says how it is charged.

    def order(self, want: int) -> Order:
        """Return the order for `want` calls."""
        raise NotImplementedError

    def return_order(self, amount: int, slot: int) -> Order:
        """Return the order that gives `amount` calls back."""
        raise NotImplementedError

    def max_block(self) -> int:
        """Return how many calls may be leased at once."""
        raise NotImplementedError

    def pause_seconds(self, grant: Grant) -> float:
        """Return how long to refuse here after a grant that was less than wanted."""
        raise NotImplementedError

    def make_fallback(self) -> Fallback:
        """Return the worker's own share."""
        raise NotImplementedError

    def order_failed(self) -> None:
        """Undo what `order` did."""

    def forget_pending(self) -> None:
        """Take nothing of the lease that is under way."""
        self._pending = None

    # The hot path.

    def take(self, now: float) -> int:
        """Return ADMITTED, REFUSED (see `blocked_until`) or ASK."""
        left = self.left
        if left > 0:
            self.left = left - 1
            if left <= self.low_water and self._pending is None and now >= self.blocked_until:
                self._refill(now)
            return ADMITTED
        if now < self.blocked_until:
            return REFUSED
        if self.fallback is not None:
            return self._take_fallback(self.fallback, now)
        return ASK

    def put_back(self) -> None:
        """Undo one `take`: the call was refused for another reason."""
        self.left += 1

    async def refill(self, now: float) -> None:
        """Wait for the lease that is under way, or for a new one."""
        self._waiters += 1
        try:
            if self._pending is None:
                self._refill(now)
            if self._pending is not None:
                await asyncio.wait((self._pending,))
        finally:
            self._waiters -= 1

    # Off the hot path.

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to return, and nothing on its way."""
        return self.left == 0 and self._pending is None and self.fallback is None

    def sweep(self, now: float) -> None:
        """Return what has been idle; called every second or so."""
        if self.left == 0 or self.left != self._left_at_sweep:
            self._left_at_sweep = self.left
            self._idle_since = now
        elif now - self._idle_since >= _IDLE_SECONDS:
            self.give_back()

    def give_back(self) -> None:
        """Return the unused calls of the lease."""
        amount, self.left = self.left, 0
        if amount > 0 and self.fallback is None:
            self._block = 1
            ignore_outcome(self._office.submit(self.return_order(amount, self._slot)))

    def valkey_is_back(self) -> None:
        """Leave the fallback."""
        if self.fallback is not None:
            self.fallback = None
            self.left = 0
            self.blocked_until = 0.0

    def _take_fallback(self, fallback: Fallback, now: float) -> int:
        wait = fallback.take(now)
        if wait <= 0.0:
            return ADMITTED
        self.blocked_until = now + wait
        return REFUSED

    def _refill(self, now: float) -> None:
        most = self.max_block()
        since = now - self._refilled_at
        self._refilled_at = now
        if since < _FAST_SECONDS:
            self._block = min(most, self._block * 2)
        else:
            self._block = max(1, min(most, self._block) // 2)
        # A slow caller asks when it needs to; a fast one finds the next lease there.
        self.low_water = 0 if since > _SLOW_SECONDS else max(1, self._block // 4)
        # Calls that wait use theirs at once, so they are not held over and need no bound.
        want = max(self._block, self._waiters)
        pending = self._office.submit(self.order(want))
        self._pending = pending
        pending.add_done_callback(lambda done: self._arrived(done, want))

    def _arrived(self, pending: "asyncio.Future[Grant]", want: int) -> None:
        failed = pending.cancelled() or pending.exception() is not None
        if pending is not self._pending:
            return  # of a period that is over
        self._pending = None
        if failed:
            self.order_failed()
            self.fallback = self.fallback or self.make_fallback()
            return
        grant = pending.result()
        self.fallback = None
        self.left += grant.granted
        self._slot = grant.slot
        self.remaining = grant.remaining
        if grant.granted < want:
            self.blocked_until = time.monotonic() + self.pause_seconds(grant)


def ignore_outcome(future: "asyncio.Future[Grant]") -> None:
    """Let `future` end as it will."""
    future.add_done_callback(_read_outcome)


def _read_outcome(future: "asyncio.Future[Grant]") -> None:
    if not future.cancelled():
        future.exception()
