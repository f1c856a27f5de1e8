"""One worker's limiter on the real Valkey, without a gateway around it."""

import os
import time

from gateway.counters import private_counters
from gateway.dataplane.allowances import Addressed, Allowances, Caller
from gateway.dataplane.leases import ADMITTED, ASK
from gateway.lease_office import LeaseOffice
from wire.gateway_snapshot import Plan, Quota, RateLimit, Subscription


class Node:
    """One worker's limiter."""

    def __init__(self, name: str, redis_url: str | None = None, workers: int = 2) -> None:
        self.counters = private_counters()
        self.office = LeaseOffice(
            redis_url=redis_url or os.environ["REDIS_URL"],
            worker=name,
            workers=workers,
            counters=self.counters,
        )
        self.allowances = Allowances(self.office)
        self.office.on_recovery = self.allowances.valkey_is_back

    def allowance(
        self, subscription_id, *limits, subject="user", operation="api/get", client_id=""
    ):
        rates = tuple(limit for limit in limits if isinstance(limit, RateLimit))
        quotas = tuple(limit for limit in limits if isinstance(limit, Quota))
        plan = Plan("plan", "Plan", (), rates, quotas)
        subscription = Subscription(subscription_id, client_id or subscription_id, "plan")
        return self.allowances.of(Caller(subscription, subject, operation), plan)


async def offer(allowance, address="203.0.113.9") -> bool:
    if isinstance(allowance, Addressed):
        allowance = allowance.of(address)
    now = time.monotonic()
    outcome = allowance.take(now)
    if outcome == ASK:
        outcome = await allowance.take_waiting(now)
    return outcome == ADMITTED


async def admitted(allowance, calls: int, address="203.0.113.9") -> int:
    """How many of `calls` were admitted."""
    return sum([await offer(allowance, address) for _ in range(calls)])
