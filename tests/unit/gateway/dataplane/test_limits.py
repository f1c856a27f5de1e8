"""Limits kept in a real Valkey, shared by workers that know nothing of each other."""

import asyncio
import time

from gateway.dataplane.leases import ADMITTED
from tests.unit.gateway.dataplane.limiter import Node, offer
from wire.gateway_snapshot import Quota, RateLimit


async def test_refusals_under_overload_are_local(nodes, subscription_id):
    allowance = nodes[0].allowance(subscription_id, RateLimit(10, 60, 10))

    outcomes = [await offer(allowance) for _ in range(500)]

    assert sum(outcomes) == 10
    assert nodes[0].counters.read("lease_requests") < 20


async def test_many_calls_at_once_on_a_cold_lease_are_all_admitted(nodes, subscription_id):
    allowance = nodes[0].allowance(
        subscription_id, RateLimit(100_000, 1, 100_000), Quota(1_000_000)
    )

    outcomes = await asyncio.gather(*(offer(allowance) for _ in range(3000)))

    assert all(outcomes)


async def test_a_burst_at_a_small_limit_waits_in_line(nodes, subscription_id):
    allowance = nodes[0].allowance(subscription_id, RateLimit(100, 60, 100))

    outcomes = await asyncio.gather(*(offer(allowance) for _ in range(300)))

    assert 99 <= sum(outcomes) <= 100
    assert not allowance.leases()[0]._queue


async def test_a_warm_lease_answers_without_asking(nodes, subscription_id):
    allowance = nodes[0].allowance(subscription_id, RateLimit(1_000_000, 1, 1_000_000))
    for _ in range(20_000):
        await offer(allowance)

    outcomes = []
    for _ in range(20):
        outcomes += [allowance.take(time.monotonic()) for _ in range(50)]
        await asyncio.sleep(0.01)

    assert outcomes == [ADMITTED] * 1000
    assert nodes[0].counters.read("lease_requests") < 50


async def test_burst_is_a_limit_of_its_own(nodes, subscription_id):
    allowance = nodes[0].allowance(subscription_id, RateLimit(600, 60, 5))

    outcomes = [await offer(allowance) for _ in range(50)]

    assert 5 <= sum(outcomes) <= 6


async def test_a_quota_is_never_exceeded_and_is_used_up_to_the_last_call(nodes, subscription_id):
    allowances = [node.allowance(subscription_id, Quota(300)) for node in nodes]

    async def use(allowance):
        return sum([await offer(allowance) for _ in range(400)])

    used = sum(await asyncio.gather(*(use(each) for each in allowances)))
    for allowance in allowances:
        for lease in allowance.leases():
            lease.give_back()

    assert 290 <= used <= 300


async def test_calls_refused_by_the_quota_do_not_count_against_the_rate(nodes, subscription_id):
    allowance = nodes[0].allowance(subscription_id, RateLimit(50, 60, 50), Quota(5))

    for _ in range(40):
        await offer(allowance)

    rate = allowance.leases()[0]
    assert rate.remaining + rate.left >= 44


async def test_an_idle_lease_goes_back_to_the_others(nodes, subscription_id):
    limit = RateLimit(1000, 60, 1000)
    first, second = (node.allowance(subscription_id, limit) for node in nodes)
    used = 0
    while used < 100 or first.leases()[0].left == 0:
        used += await offer(first)

    now = time.monotonic()
    nodes[0].allowances.sweep(now)
    nodes[0].allowances.sweep(now + 1)
    nodes[0].allowances.sweep(now + 7)
    await asyncio.sleep(0.1)

    assert first.leases()[0].left == 0
    await offer(second)
    assert second.leases()[0].remaining + second.leases()[0].left == 999 - used


async def test_without_valkey_each_worker_enforces_its_own_share(subscription_id):
    node = Node("alone", "redis://127.0.0.1:1/0")
    allowance = node.allowance(subscription_id, RateLimit(100, 60, 100))

    outcomes = [await offer(allowance) for _ in range(300)]

    assert sum(outcomes) == 50  # of two workers
    assert node.counters.read("limits_degraded") == 1
    await node.office.close()


async def test_without_valkey_a_quota_is_shared_out_too(subscription_id):
    node = Node("alone", "redis://127.0.0.1:1/0")
    allowance = node.allowance(subscription_id, Quota(100))

    outcomes = [await offer(allowance) for _ in range(300)]

    assert sum(outcomes) == 50
    await node.office.close()


async def test_calls_admitted_without_valkey_are_charged_when_it_is_back(nodes, subscription_id):
    node = nodes[0]
    allowance = node.allowance(subscription_id, Quota(100))
    node.office._fail(OSError("gone"))
    assert sum([await offer(allowance) for _ in range(30)]) == 30

    await node.office.beat()
    await offer(allowance)

    lease = allowance.leases()[0]
    assert lease.remaining + lease.left == 69


async def test_the_fleet_is_counted(nodes):
    for node in nodes:
        await node.office.beat()
    third = Node("c")

    await third.office.beat()

    assert third.office.fleet == 3
    await third.office.close()


async def test_scripts_are_loaded_again_after_valkey_was_started_anew(nodes, subscription_id):
    allowance = nodes[0].allowance(subscription_id, RateLimit(100, 60, 100))
    await offer(allowance)
    await nodes[0].office._redis.script_flush()

    assert await offer(allowance)
    assert nodes[0].counters.read("limits_degraded") == 0


async def test_many_callers_owe_after_an_outage_and_all_of_it_is_charged(nodes, subscription_id):
    node = nodes[0]
    quota = Quota(100)
    many = [node.allowance(f"{subscription_id}-{number}", quota) for number in range(1200)]
    node.office._fail(OSError("gone"))
    assert all([await offer(allowance) for allowance in many])

    await node.office.beat()
    await offer(many[0])
    await asyncio.gather(*node.office._tasks)

    lefts = {allowance.leases()[0].remaining for allowance in many[1:]}
    assert lefts == {99}
    assert not any(allowance.leases()[0].owes for allowance in many)
