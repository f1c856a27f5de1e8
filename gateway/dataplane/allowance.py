"""What a caller may still do: its rate limits and quotas, taken together or not at all."""

import time
from typing import TYPE_CHECKING, Final

from gateway.dataplane.errors import Headers, Refusal
from gateway.dataplane.leases import (
    ADMITTED,
    ASK,
    MAX_WAIT_SECONDS,
    REFUSED,
    Grant,
    Lease,
    LeaseOffice,
    Order,
)

if TYPE_CHECKING:
    import asyncio


class Allowance:
    """All limits that a call counts against; a call that one refuses counts against none."""

    __slots__ = (
        "_blame",
        "_first",
        "_leases",
        "_more",
        "_office",
        "_policy",
        "_policy_ends",
        "_second",
    )

    def __init__(self, leases: tuple[Lease, ...], office: LeaseOffice) -> None:
        self._leases = leases
        # Nearly always there are one or two: a loop over them would cost more than they do.
        self._first: Lease = leases[0]
        self._second: Lease = leases[1] if len(leases) > 1 else _PLENTY
        self._more: tuple[Lease, ...] = leases[2:]
        self._office = office
        self._blame: Lease = leases[0]
        self._policy = (b"ratelimit-policy", b"")
        self._policy_ends = 0.0  # a month has its own length

    def take(self, now: float) -> int:
        """Return leases.ADMITTED, REFUSED or ASK."""
        first, second = self._first, self._second
        # Nearly always all leases are well filled: not worth a call to each.
        if (
            first.left > first.low_water
            and now < first.ends
            and second.left > second.low_water
            and now < second.ends
        ):
            if self._more:
                return self._take_all(now)
            first.left -= 1
            second.left -= 1
            return ADMITTED
        return self._take_each(now)

    def _take_all(self, now: float) -> int:
        """Take from three and more: of each at once where all are well filled."""
        for lease in self._more:
            if lease.left <= lease.low_water or now >= lease.ends:
                return self._take_each(now)
        for lease in self._leases:
            lease.left -= 1
        return ADMITTED

    def _take_each(self, now: float) -> int:
        taken: list[Lease] = []
        is_throttled = is_local = False
        for limit in self._leases:
            lease = limit
            outcome = lease.take(now)
            if outcome == REFUSED and lease.slower is not None:
                lease = lease.slower
                outcome = lease.take(now)
                is_throttled = True
            if outcome != ADMITTED:
                for other in taken:
                    other.put_back()
                self._blame = lease
                return outcome
            taken.append(lease)
            is_local = is_local or lease.fallback is not None
        if is_local:
            self._office.count("limits_local_calls")
        if is_throttled:
            self._office.count("quota_throttled")
        return ADMITTED

    async def take_waiting(self, now: float) -> int:
        """Return ADMITTED or REFUSED, asking Valkey as need be: for all limits at once."""
        deadline = now + MAX_WAIT_SECONDS
        while now < deadline:
            outcome = self.take(now)
            if outcome != ASK:
                return outcome
            await self._refill(now)
            now = time.monotonic()
        outcome = self.take(now)  # it may have been Valkey that took so long, and is given up
        return REFUSED if outcome == ASK else outcome

    async def _refill(self, now: float) -> None:
        asked = (*self._leases, self._blame) if self._blame not in self._leases else self._leases
        waiting: list[asyncio.Future[None]] = []
        for lease in asked:
            waiter = lease.join(now)
            if waiter is not None:
                waiting.append(waiter)
        try:
            for waiter in waiting:
                await waiter
        finally:
            for waiter in waiting:
                waiter.cancel()  # does nothing to those that are done

    def is_quota_to_blame(self) -> bool:
        """Whether a quota, not a rate limit, refused last."""
        return self._blame.is_quota

    def refusal(self, now: float) -> Refusal:
        """Return the answer to a call that was just refused; it names the limit."""
        return self._blame.refusal(now)

    def fields(self, now: float) -> Headers:
        """Return the RateLimit fields (draft-ietf-httpapi-ratelimit-headers-10).

        What is left is as of the last lease, plus what this worker still holds.
        """
        if now >= self._policy_ends:
            self._write_policy()
        if self._more:
            text = b", ".join([item for lease in self._leases if (item := lease.state(now))])
        else:
            text = self._first.state(now)
            if self._second is not _PLENTY:
                item = self._second.state(now)
                text = text + b", " + item if text and item else text or item
        if not text:
            return [self._policy]
        return [self._policy, (b"ratelimit", text)]

    def leases(self) -> tuple[Lease, ...]:
        return self._leases

    def _write_policy(self) -> None:
        named = [lease.policy() for lease in self._leases]
        named += [lease.slower.policy() for lease in self._leases if lease.slower is not None]
        self._policy = (b"ratelimit-policy", b", ".join(named))
        self._policy_ends = min(lease.ends for lease in self._leases)


class _NoOffice:
    """Is never asked for anything."""

    fleet = 1
    worker_id = ""

    def submit(self, order: Order) -> "asyncio.Future[Grant]":
        raise NotImplementedError

    def note_active(self, lease: Lease) -> None:
        raise NotImplementedError

    def count(self, name: str) -> None:
        raise NotImplementedError


def _plenty() -> Lease:
    """Stand where there is no second limit, so that the hot path has no question more."""
    lease = Lease("", "", _NoOffice())
    lease.left = 1 << 60
    return lease


_PLENTY: Final = _plenty()
