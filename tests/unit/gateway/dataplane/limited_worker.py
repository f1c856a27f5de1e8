"""A process of its own with the real lease code: offers calls, prints when each was admitted.

    python -m tests.unit.gateway.dataplane.limited_worker '{"redis_url": …, "limits": […], …}'

Times are those of CLOCK_MONOTONIC, which all processes of a machine share.
"""

import asyncio
import json
import sys
import time

from gateway.counters import private_counters
from gateway.dataplane.allowances import Allowances, Caller
from gateway.dataplane.leases import ADMITTED, ASK
from gateway.lease_office import LeaseOffice
from wire.gateway_snapshot import Plan, RateLimit, Subscription


async def run(orders: dict) -> list[float]:
    office = LeaseOffice(
        redis_url=orders["redis_url"],
        worker=orders["name"],
        workers=orders["workers"],
        counters=private_counters(),
    )
    limits = tuple(RateLimit(**limit) for limit in orders["limits"])
    caller = Caller(Subscription(orders["subscription"], "client", "plan"), "user", "api/get")
    allowance = Allowances(office).of(caller, Plan("plan", "Plan", (), limits))
    await office.beat()
    await asyncio.sleep(max(0.0, orders["starts_at"] - time.monotonic()))
    admitted = await offer(allowance, orders["seconds"], orders["per_second"])
    await office.close()
    return admitted


async def offer(allowance, seconds: float, per_second: float) -> list[float]:
    """Offer calls at an even pace, many at once as a worker has them."""
    admitted: list[float] = []

    async def wait(now: float) -> None:
        if await allowance.take_waiting(now) == ADMITTED:
            admitted.append(time.monotonic())

    started = time.monotonic()
    offered = 0
    waiting: set[asyncio.Task] = set()
    while (elapsed := time.monotonic() - started) < seconds:
        due = int(elapsed * per_second)
        for _ in range(due - offered):
            now = time.monotonic()
            outcome = allowance.take(now)
            if outcome == ADMITTED:
                admitted.append(now)
            elif outcome == ASK:
                task = asyncio.create_task(wait(now))
                waiting.add(task)
                task.add_done_callback(waiting.discard)
        offered = due
        await asyncio.sleep(0.001)
    if waiting:
        await asyncio.wait(waiting)
    return admitted


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(run(json.loads(sys.argv[1])))))
