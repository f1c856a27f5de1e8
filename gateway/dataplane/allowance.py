"""What a subscription may still do: its rate limit and its quota, taken together."""

import math
import time
from collections.abc import Container
from typing import Final

from gateway.dataplane.errors import Headers, QuotaExhausted, RateLimited, Refusal
from gateway.dataplane.leases import ADMITTED, ASK, REFUSED, Lease, LeaseOffice
from gateway.dataplane.quota import QuotaLease
from gateway.dataplane.rate_limit import RateLease
from gateway.slices import Steps
from wire.gateway_snapshot import Plan, Quota, RateLimit

_MAX_WAIT_SECONDS: Final = 2.0


# Subscription, rate limit, quota.
Terms = tuple[str, RateLimit | None, Quota | None]


class Allowance:
    """Both limits of one subscription; refused calls count against neither."""

    __slots__ = ("_active", "_blame", "_leases", "_policy", "_quota", "_rate", "_window")

    def __init__(
        self,
        subscription_id: str,
        rate_limit: RateLimit | None,
        quota: Quota | None,
        office: LeaseOffice,
        active: "set[Allowance]",
    ) -> None:
        self._active = active  # those that may hold a lease
        key = f"tollgate:limit:{{{subscription_id}}}"
        self._rate = RateLease(f"{key}:rate", rate_limit, office) if rate_limit else None
        self._quota = QuotaLease(f"{key}:quota", quota, office) if quota else None
        self._leases: tuple[Lease, ...] = tuple(
            lease for lease in (self._rate, self._quota) if lease is not None
        )
        self._blame: Lease | None = None
        self._window = rate_limit.window_seconds if rate_limit else 0
        self._policy = (b"ratelimit-policy", _policy_field(rate_limit, quota))

    def take(self, now: float) -> int:
        """Return leases.ADMITTED, REFUSED or ASK."""
        rate, quota = self._rate, self._quota
        # Nearly always both leases are there and well filled: not worth a call to each.
        if (
            rate is not None
            and quota is not None
            and rate.left > rate.low_water
            and quota.left > quota.low_water
            and now < quota.period_ends
        ):
            rate.left -= 1
            quota.left -= 1
            return ADMITTED
        if rate is not None:
            outcome = rate.take(now)
            if outcome != ADMITTED:
                self._blame = rate
                return outcome
        if quota is not None:
            outcome = quota.take(now)
            if outcome != ADMITTED:
                if rate is not None:
                    rate.put_back()
                self._blame = quota
                return outcome
        return ADMITTED

    async def take_waiting(self, now: float) -> int:
        """Return ADMITTED or REFUSED, asking Valkey as need be."""
        self._active.add(self)
        deadline = now + _MAX_WAIT_SECONDS
        while now < deadline:
            outcome = self.take(now)
            if outcome != ASK or self._blame is None:
                return outcome
            await self._blame.refill(now)
            now = time.monotonic()
        return REFUSED

    def is_quota_to_blame(self) -> bool:
        """Whether the quota, not the rate limit, refused last."""
        return self._quota is not None and self._blame is self._quota

    def refusal(self, now: float) -> Refusal:
        """Return the answer to a call that was just refused."""
        quota = self._quota
        if quota is not None and self._blame is quota:
            seconds = math.ceil(quota.period_ends - now)
            return QuotaExhausted("The quota of the plan is used up for this period.", seconds)
        wait = self._rate.blocked_until - now if self._rate is not None else 1.0
        return RateLimited("The plan allows no more calls at the moment.", math.ceil(wait))

    def fields(self, now: float) -> Headers:
        """Return the RateLimit fields (draft-ietf-httpapi-ratelimit-headers-10).

        What is left is as of the last lease, plus what this worker still holds.
        """
        text = b""
        rate, quota = self._rate, self._quota
        if rate is not None and (rate.remaining >= 0 or rate.blocked_until > now):
            left, reset = rate.left, self._window
            if left == 0:
                reset = max(1, math.ceil(rate.blocked_until - now))
            text = b'"rate";r=%d;t=%d' % (left + max(0, rate.remaining), reset)
        if quota is not None and quota.remaining >= 0:
            seconds = int(quota.period_ends - now) + 1
            item = b'"quota";r=%d;t=%d' % (quota.left + quota.remaining, seconds)
            text = text + b", " + item if text else item
        if not text:
            return [self._policy]
        return [self._policy, (b"ratelimit", text)]

    def leases(self) -> tuple[Lease, ...]:
        return self._leases


def terms_of(subscription_id: str, plan: Plan) -> Terms:
    """Return what makes an allowance the same across snapshots.

    A quota whose overage is billed refuses nothing; metering is all it needs.
    """
    quota = plan.quota if plan.quota is not None and plan.quota.overage == "block" else None
    return subscription_id, plan.rate_limit, quota


class Allowances:
    """The allowances of all subscriptions; they outlive snapshots that leave them as they are."""

    def __init__(self, office: LeaseOffice) -> None:
        self._office = office
        self._by_key: dict[Terms, Allowance] = {}
        self._active: set[Allowance] = set()

    def of(self, subscription_id: str, plan: Plan) -> Allowance | None:
        """Return the allowance of a subscription, or None where its plan sets no limit."""
        terms = terms_of(subscription_id, plan)
        if terms[1:] == (None, None):
            return None
        allowance = self._by_key.get(terms)
        if allowance is None:
            allowance = self._by_key[terms] = Allowance(*terms, self._office, self._active)
        return allowance

    def keep_only(self, used: Container[Terms]) -> Steps[None]:
        """Forget the allowances whose terms are in force no more."""
        for terms, allowance in list(self._by_key.items()):
            yield
            if terms not in used:
                del self._by_key[terms]
                self._active.discard(allowance)
                for lease in allowance.leases():
                    lease.give_back()

    def sweep(self, now: float) -> None:
        """Return idle leases."""
        for allowance in list(self._active):
            for lease in allowance.leases():
                lease.sweep(now)
            if all(lease.is_empty for lease in allowance.leases()):
                self._active.discard(allowance)

    def valkey_is_back(self) -> None:
        """Return from the workers' own shares to the shared limits."""
        for allowance in self._active:
            for lease in allowance.leases():
                lease.valkey_is_back()

    def give_back(self) -> None:
        """Return every unused lease; the worker stops."""
        for allowance in self._active:
            for lease in allowance.leases():
                lease.give_back()


def _policy_field(rate_limit: RateLimit | None, quota: Quota | None) -> bytes:
    seconds = {"hour": 3600, "day": 86400, "week": 604800, "month": 2592000, "year": 31536000}
    items = []
    if rate_limit is not None:
        items.append(f'"rate";q={rate_limit.limit};w={rate_limit.window_seconds}')
    if quota is not None:
        items.append(f'"quota";q={quota.limit};w={seconds[quota.period]}')
    return ", ".join(items).encode()
