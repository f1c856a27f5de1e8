"""Shares of a limit, leased from Valkey in blocks, so that a call never waits for a round trip.

A lease of `n` calls is charged to the shared limit when it is given, by one atomic script. What a
worker has not used stays charged: so never more is admitted than the limit says, but for the
calls a worker may hold over from an earlier window. That is at most `max_block`, which is 1 % of
the limit divided by the number of workers, or one call: the stated error. Idle leases go back.
A quota has no earlier window, so that its blocks may be larger.

While Valkey is away each worker enforces its own share, limit divided by workers, and remembers
what it admitted: that is charged once when Valkey is back.
"""

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from gateway.dataplane.errors import Refusal

# Outcomes of `take`.
ADMITTED: Final = 0
REFUSED: Final = 1
ASK: Final = 2  # await `refill`, then take again

_NEVER: Final = float("inf")
_IDLE_SECONDS: Final = 5.0
# Two refills closer than this: the block doubles. Further apart than _SLOW: no refill ahead.
_FAST_SECONDS: Final = 0.25
_SLOW_SECONDS: Final = 2.0
# More calls at once than Valkey can be asked about in time are refused.
_MOST_WAITING: Final = 10_000
MAX_WAIT_SECONDS: Final = 2.0


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

    @property
    def fleet(self) -> int:
        """Return how many workers share the limits, this one included."""

    @property
    def worker_id(self) -> str:
        """Return the name of this process, which no other ever has."""

    def submit(self, order: Order) -> "asyncio.Future[Grant]":
        """Return the answer to come; it may be LeaseUnavailable."""

    def note_active(self, lease: "Lease") -> None:
        """Remember that `lease` may hold calls, to give back or to charge later."""

    def count(self, name: str) -> None:
        """Raise a counter of the worker by one."""


class Fallback(Protocol):
    """The worker's own share, for as long as Valkey is away."""

    def take(self, now: float) -> float:
        """Return 0.0 when the call is admitted, else the seconds to wait."""

    def put_back(self) -> None:
        """Undo one `take` that was admitted."""

    def is_idle(self, now: float) -> bool:
        """Whether a new share would say the same as this one."""


class Lease:
    """A worker's share of one limit for one of those whom it counts."""

    def __init__(self, key: str, name: str, office: LeaseOffice) -> None:
        self.key = key  # of the counter and its terms; nobody else in this worker has it
        self.name = name
        self.is_quota = False
        self.slower: Lease | None = None  # asked when this one refuses: a throttle
        self.ends = _NEVER  # what is left is void from then on (time.monotonic)
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
        self._queue: deque[tuple[asyncio.Future[None], float]] = deque()  # and since when
        self._wanted = 0

    # Each limit says how it is charged, and how clients are told of it.

    def order(self, want: int) -> Order:
        """Return the order for `want` calls; it also charges what Valkey does not know of."""
        raise NotImplementedError

    def return_order(self, amount: int, slot: int) -> Order:
        """Return the order that gives `amount` calls back; `left` is without them already."""
        raise NotImplementedError

    def policy(self) -> bytes:
        """Return its member of the RateLimit-Policy field."""
        raise NotImplementedError

    def state(self, now: float) -> bytes:
        """Return its member of the RateLimit field; empty while nothing is known."""
        raise NotImplementedError

    def refusal(self, now: float) -> "Refusal":
        """Return the answer to a call that this limit has just refused."""
        raise NotImplementedError

    @property
    def owes(self) -> bool:
        """Whether calls were admitted that Valkey has not been told of."""
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

    def granted(self, grant: Grant) -> None:
        """Note what Valkey knows now."""

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
        return ASK if len(self._queue) < _MOST_WAITING else REFUSED

    def put_back(self) -> None:
        """Undo one `take`: the call was refused for another reason."""
        if self.fallback is not None:
            self.fallback.put_back()
        else:
            self.left += 1

    def join(self, now: float) -> "asyncio.Future[None] | None":
        """Return what to wait for before `take` is worth another try; None: try at once."""
        if self.left > 0 or now < self.blocked_until or self.fallback is not None:
            return None
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((waiter, now))
        if self._pending is None:
            self._refill(now)
        return waiter

    # Off the hot path.

    def forget(self, now: float) -> bool:
        """Return whether there is nothing to return or to charge, and nothing on its way."""
        if self.left or self._pending is not None:
            return False
        if self.fallback is not None and not self.fallback.is_idle(now):
            return False
        if self.owes:
            return False
        self.fallback = None  # nobody would end it when Valkey is back
        return True

    def sweep(self, now: float) -> None:
        """Return what has been idle; called every second or so."""
        if self.left == 0 or self.left != self._left_at_sweep:
            self._left_at_sweep = self.left
            self._idle_since = now
        elif now - self._idle_since >= _IDLE_SECONDS:
            self.give_back()

    def give_back(self) -> None:
        """Return the unused calls of the lease; not while an order is under way."""
        amount = self.left
        if amount == 0 or self._pending is not None or self.fallback is not None:
            return
        self.left = 0
        self._block = 1
        ignore_outcome(self._office.submit(self.return_order(amount, self._slot)))

    def valkey_is_back(self) -> None:
        """Leave the fallback, and charge what it admitted."""
        if self.fallback is None:
            return
        self.fallback = None
        self.blocked_until = 0.0
        if self.owes and self._pending is None:
            self._submit(0)

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
        # Also for calls that wait: on a busy machine their lease comes late, and is held over too.
        waiting = len(self._queue) if self.is_quota else min(len(self._queue), most)
        self._submit(max(self._block, waiting))

    def _submit(self, want: int) -> None:
        self._office.note_active(self)
        self._wanted = want
        pending = self._office.submit(self.order(want))
        self._pending = pending
        pending.add_done_callback(self._arrived)

    def _arrived(self, pending: "asyncio.Future[Grant]") -> None:
        failed = pending.cancelled() or pending.exception() is not None
        if pending is not self._pending:
            self._wake(len(self._queue))  # it was of a period that is over
            return
        self._pending = None
        if failed:
            self.fallback = self.fallback or self.make_fallback()
            self._wake(len(self._queue))
            return
        grant = pending.result()
        self.fallback = None
        self.left += grant.granted
        self._slot = grant.slot
        self.remaining = grant.remaining
        self.granted(grant)
        now = time.monotonic()
        if grant.granted < self._wanted:
            self.blocked_until = now + self.pause_seconds(grant)
            if now < self.blocked_until:
                self._wake(len(self._queue))
        self._wake(self.left)
        while self._queue and self._queue[0][1] <= now - MAX_WAIT_SECONDS:
            self._wake(1)  # to be refused: it has waited long enough
        if self._queue and self._pending is None:
            self._refill(now)

    def _wake(self, number: int) -> None:
        """Let so many of those that wait try again, the first first."""
        queue = self._queue
        while queue and number > 0:
            waiter, _ = queue.popleft()
            if not waiter.done():  # its client may have gone
                waiter.set_result(None)
                number -= 1


def ignore_outcome(future: "asyncio.Future[Grant]") -> None:
    """Let `future` end as it will."""
    future.add_done_callback(_read_outcome)


def _read_outcome(future: "asyncio.Future[Grant]") -> None:
    if not future.cancelled():
        future.exception()
