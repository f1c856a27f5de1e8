"""Whom a limit counts: subscription, client, user, address, operation."""

import asyncio
import time
import uuid

import pytest

from gateway.dataplane.allowances import Allowances
from gateway.slices import run_through
from tests.unit.gateway.dataplane.limiter import Node, admitted, offer
from wire.gateway_snapshot import Plan, Quota, RateLimit


async def keys_of(node, subscription_id) -> list[bytes]:
    return [key async for key in node.office._redis.scan_iter(f"*{subscription_id}*")]


async def test_each_user_has_a_counter_shared_by_the_workers(nodes, subscription_id):
    limit = RateLimit(10, 60, 10, per="user")
    alice, bob = (nodes[0].allowance(subscription_id, limit, subject=who) for who in "ab")
    alice_elsewhere = nodes[1].allowance(subscription_id, limit, subject="a")

    assert await admitted(alice, 8) == 8
    await asyncio.sleep(0.05)  # what was asked for ahead has come
    alice.leases()[0].give_back()
    await asyncio.sleep(0.05)
    assert await admitted(alice_elsewhere, 8) == 2
    assert await admitted(bob, 20) == 10


async def test_a_client_that_subscribes_anew_goes_on_with_its_counter(nodes, subscription_id):
    limit = RateLimit(10, 60, 10, per="client")
    client_id = str(uuid.uuid4())
    before = nodes[0].allowance(subscription_id, limit, client_id=client_id)
    after = nodes[0].allowance(str(uuid.uuid4()), limit, client_id=client_id)

    assert await admitted(before, 7) == 7
    assert await admitted(after, 7) == 3


async def test_each_address_has_a_counter(nodes, subscription_id):
    limits = nodes[0].allowance(subscription_id, RateLimit(5, 60, 5, per="address"))

    assert await admitted(limits, 9, "203.0.113.1") == 5
    assert await admitted(limits, 9, "203.0.113.2") == 5
    assert await admitted(limits, 9, "::ffff:203.0.113.2") == 0
    assert await admitted(limits, 9, "2001:db8::1") == 5
    assert await admitted(limits, 9, "2001:db8:0:0:ffff::2") == 0  # the same customer's
    assert await admitted(limits, 9, "2001:db8:0:1::2") == 5


@pytest.mark.parametrize("address", ["", "unknown", "fe80::1%eth0", "not:an:address"])
async def test_an_address_that_is_none_still_has_a_counter(nodes, subscription_id, address):
    limits = nodes[0].allowance(subscription_id, RateLimit(5, 60, 5, per="address"))

    assert await admitted(limits, 9, address) == 5


async def test_only_named_operations_count(nodes, subscription_id):
    limit = RateLimit(5, 60, 5, operations=("api/put", "api/post"))
    read, put, post = (
        nodes[0].allowance(subscription_id, limit, operation=f"api/{name}")
        for name in ("get", "put", "post")
    )

    assert read is None
    assert await admitted(put, 3) + await admitted(post, 9) == 5


async def test_each_operation_may_have_a_counter_of_its_own(nodes, subscription_id):
    limit = RateLimit(5, 60, 5, each_operation=True)
    read, put = (
        nodes[0].allowance(subscription_id, limit, operation=f"api/{name}")
        for name in ("get", "put")
    )

    assert await admitted(read, 9) == 5
    assert await admitted(put, 9) == 5


async def test_what_one_limit_refuses_counts_against_none(nodes, subscription_id):
    whole = RateLimit(50, 60, 50, "whole")
    mine = RateLimit(3, 60, 3, "mine", per="user")
    here = RateLimit(4, 60, 4, "here", per="address")
    quota = Quota(20, "day")
    alice, bob = (
        nodes[0].allowance(subscription_id, whole, mine, here, quota, subject=who) for who in "ab"
    )

    assert await admitted(alice, 30, "203.0.113.1") == 3
    assert await admitted(bob, 30, "203.0.113.1") == 1
    assert await admitted(bob, 30, "203.0.113.2") == 2

    leases = {lease.name: lease for lease in bob.of("203.0.113.2").leases()}
    assert leases["whole"].remaining + leases["whole"].left == 44
    assert leases["quota"].remaining + leases["quota"].left == 14


async def test_counters_in_memory_are_bounded_and_forgotten_ones_are_not_reset(
    nodes, subscription_id
):
    node = nodes[0]
    node.allowances = Allowances(node.office, most=10)
    limits = node.allowance(subscription_id, RateLimit(3, 60, 3, per="address"))
    assert await admitted(limits, 2, "203.0.113.1") == 2

    for number in range(100):
        await offer(limits, f"198.51.100.{number}")
    now = time.monotonic()
    for seconds in (0, 1, 7):
        node.allowances.sweep(now + seconds)
        await asyncio.sleep(0.05)

    assert len(node.allowances) <= 20
    assert len(node.allowances._active) <= 1
    assert await admitted(limits, 5, "203.0.113.1") == 1


async def test_a_lease_in_use_is_the_only_one_of_its_counter(nodes, subscription_id):
    node = nodes[0]
    node.allowances = Allowances(node.office, most=1)
    limit = RateLimit(100_000, 60, 100_000, per="user")
    first = node.allowance(subscription_id, limit, subject="alice")
    await offer(first)
    for who in "bcd":
        node.allowance(subscription_id, limit, subject=who)

    again = node.allowance(subscription_id, limit, subject="alice")

    assert again is not first
    assert again.leases() == first.leases()


async def test_keys_expire_and_name_neither_people_nor_addresses(nodes, subscription_id):
    node = nodes[0]
    limits = node.allowance(
        subscription_id,
        RateLimit(5, 60, 5, "a", per="user"),
        RateLimit(5, 1, 5, "b", per="address"),
        Quota(100, "year"),
        subject="alice@example.com",
    )
    await offer(limits, "203.0.113.1")

    keys = await keys_of(node, subscription_id)

    assert len(keys) == 3
    assert not any(b"alice" in key or b"203.0" in key for key in keys)
    for key in keys:
        assert await node.office._redis.pttl(key) > 0


async def test_leases_on_terms_that_are_no_more_go_back(nodes, subscription_id):
    node = nodes[0]
    old, new = RateLimit(100_000, 60, 100_000), RateLimit(200_000, 60, 200_000)
    before = node.allowance(subscription_id, old)
    await offer(before)
    while before.leases()[0].left == 0:
        await offer(before)

    run_through(node.allowances.keep_only({subscription_id: Plan("plan", "Plan", (), (new,))}))

    assert before.leases()[0].left == 0
    run_through(node.allowances.keep_only({}))


async def test_a_limit_whose_window_is_changed_starts_anew(nodes, subscription_id):
    short = nodes[0].allowance(subscription_id, RateLimit(5, 2, 5))
    assert await admitted(short, 9) == 5

    longer = nodes[0].allowance(subscription_id, RateLimit(5, 3600, 5))

    assert await admitted(longer, 9) == 5


async def test_a_cold_caller_asks_for_all_its_limits_at_once(subscription_id):
    node = Node("cold")
    limits = [RateLimit(9, 60 + at, 9, f"r{at}") for at in range(4)]
    allowance = node.allowance(subscription_id, *limits, Quota(9))
    await offer(allowance)  # scripts are loaded

    colder = node.allowance(str(uuid.uuid4()), *limits, Quota(9))
    before = node.counters.read("lease_requests")
    assert await offer(colder)

    assert node.counters.read("lease_requests") - before == 5
    await node.office.close()
