"""Quotas that begin with what is metered."""

import asyncio
import time
import uuid

import pytest

from gateway import quota_seeds
from gateway.control_client import ControlFailed
from gateway.quota_seeds import QuotaSeeder
from tests.unit.gateway.dataplane.limiter import Node, admitted
from wire.calendar_period import calendar_period
from wire.gateway_snapshot import Quota


class Meter:
    """Knows one number; fails as often as it is told to."""

    def __init__(self, calls: int) -> None:
        self.calls = calls
        self.failures = 0
        self.asked = []

    async def count_metered_calls(self, subscription_id, since):
        self.asked.append((subscription_id, since))
        if self.failures:
            self.failures -= 1
            raise ControlFailed("away")
        return self.calls


@pytest.fixture
def meter():
    return Meter(700)


@pytest.fixture
async def nodes(meter, monkeypatch):
    monkeypatch.setattr(quota_seeds, "_RETRY_SECONDS", 0.01)
    pair = [Node("a"), Node("b")]
    tasks = []
    for node in pair:
        seeder = QuotaSeeder(meter, node.office, node.counters)
        node.allowances.on_missing = seeder.want
        tasks.append(asyncio.create_task(seeder.run()))
    yield pair
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for node in pair:
        await node.office.close()


async def left_of(allowance) -> int:
    """What everybody has left; takes one call."""
    lease = allowance.leases()[0]
    lease.give_back()
    await asyncio.sleep(0.1)
    assert await admitted(allowance, 1) == 1
    return lease.remaining + lease.left


async def forget(nodes, subscription_id) -> None:
    redis = nodes[0].office._redis
    await redis.delete(*[key async for key in redis.scan_iter(f"*{subscription_id}*")])


async def test_a_quota_added_in_mid_period_begins_with_what_is_metered(nodes, meter):
    subscription_id = str(uuid.uuid4())
    allowance = nodes[0].allowance(subscription_id, Quota(1000, "year", "Europe/Berlin"))

    assert await admitted(allowance, 1) == 1
    await asyncio.sleep(0.1)

    began, _ = calendar_period("year", "Europe/Berlin", time.time())
    assert meter.asked == [(subscription_id, int(began.timestamp()))]
    assert await left_of(allowance) == 299
    assert nodes[0].counters.read("quota_seeds") == 1


async def test_data_that_was_lost_comes_back_and_no_call_twice(nodes, meter):
    subscription_id = str(uuid.uuid4())
    meter.calls = 0
    first, second = (node.allowance(subscription_id, Quota(1000, "year")) for node in nodes)
    assert await admitted(first, 150) == 150
    assert await admitted(second, 50) == 50
    for allowance in (first, second):
        allowance.leases()[0].give_back()
    await asyncio.sleep(0.1)

    await forget(nodes, subscription_id)
    meter.calls = 230  # those 200, and 30 of a worker that is no more
    assert await admitted(first, 1) == 1
    await asyncio.sleep(0.1)
    assert await admitted(second, 1) == 1

    left = await left_of(first)
    assert 1000 - 230 - 3 <= left <= 1000 - 230 + 10  # what was asked for ahead may be in flight
    assert nodes[0].counters.read("limits_data_lost") == 1


async def test_who_does_not_know_is_asked_again_and_nobody_waits(nodes, meter):
    meter.failures = 2
    allowance = nodes[0].allowance(str(uuid.uuid4()), Quota(1000, "year"))

    assert await admitted(allowance, 1) == 1
    await asyncio.sleep(0.2)

    assert len(meter.asked) == 3
    assert nodes[0].counters.read("quota_seed_failures") == 2
    assert await left_of(allowance) == 299


async def test_short_periods_are_not_asked_for(nodes, meter):
    allowance = nodes[0].allowance(
        str(uuid.uuid4()), Quota(1000, "minute", name="m"), Quota(1000, "hour", name="h")
    )

    await admitted(allowance, 3)
    await asyncio.sleep(0.05)

    assert meter.asked == []
