"""Quotas of several periods at once, what becomes of more, and a sum that is always right."""

import time

from gateway.dataplane.errors import QuotaExhausted, RateLimited
from tests.unit.gateway.dataplane.limiter import admitted, offer
from wire.gateway_snapshot import Quota, RateLimit


def fields_of(allowance) -> dict[str, str]:
    return {k.decode(): v.decode() for k, v in allowance.fields(time.monotonic())}


async def test_several_quotas_hold_at_once_and_the_refusal_names_which(nodes, subscription_id):
    allowance = nodes[0].allowance(
        subscription_id, Quota(30, "month", name="month"), Quota(7, "day", name="day")
    )

    assert await admitted(allowance, 20) == 7
    refusal = allowance.refusal(time.monotonic())

    assert isinstance(refusal, QuotaExhausted)
    assert "'day'" in refusal.detail
    assert refusal.extensions() == {"violated-policies": ["day"]}
    assert dict(refusal.headers())[b"retry-after"].__len__() > 0
    lease = allowance.leases()[0]
    assert lease.remaining + lease.left == 23  # the refused ones do not count


async def test_fields_name_every_limit(nodes, subscription_id):
    allowance = nodes[0].allowance(
        subscription_id,
        RateLimit(10, 60, 10, "minute"),
        RateLimit(5, 1, 5, "mine", per="user"),
        Quota(100, "day", name="day"),
        Quota(200, "week", name="slow", overage="throttle", throttle=RateLimit(1, 9, 1, "slower")),
    )
    await offer(allowance)

    fields = fields_of(allowance)

    assert fields["ratelimit-policy"] == (
        '"minute";q=10;w=60, "mine";q=5;w=1, "day";q=100;w=86400, "slow";q=200;w=604800,'
        ' "slower";q=1;w=9'
    )
    left = {item.split(";")[0]: item.split(";")[1] for item in fields["ratelimit"].split(", ")}
    assert left == {'"minute"': "r=9", '"mine"': "r=4", '"day"': "r=99", '"slow"': "r=199"}


async def test_a_month_has_its_own_length(nodes, subscription_id):
    allowance = nodes[0].allowance(subscription_id, Quota(5, "month"))

    (item,) = fields_of(allowance)["ratelimit-policy"].split(", ")

    assert int(item.split("w=")[1]) / 86_400 in {28, 29, 30, 31}


async def test_above_a_quota_calls_are_slowed_down_where_the_plan_says_so(nodes, subscription_id):
    allowance = nodes[0].allowance(
        subscription_id,
        RateLimit(1000, 1, 1000),
        Quota(5, overage="throttle", throttle=RateLimit(2, 60, 2, "quota-throttle")),
    )

    assert await admitted(allowance, 30) == 7
    refusal = allowance.refusal(time.monotonic())

    assert isinstance(refusal, RateLimited)
    assert refusal.policy == "quota-throttle"
    assert 25 <= int(dict(refusal.headers())[b"retry-after"]) <= 61
    assert nodes[0].counters.read("quota_throttled") == 2
    assert not allowance.is_quota_to_blame()


async def test_a_quota_that_is_billed_refuses_nothing(nodes, subscription_id):
    assert nodes[0].allowance(subscription_id, Quota(5, overage="bill")) is None


async def test_an_order_that_arrives_twice_is_charged_once(nodes, subscription_id):
    node = nodes[0]
    allowance = node.allowance(subscription_id, Quota(100))
    await offer(allowance)
    lease = allowance.leases()[0]
    order = lease.order(3)

    first, again = await node.office.submit(order), await node.office.submit(order)

    assert (first.granted, again.granted) == (3, 0)
    assert again.remaining == first.remaining


async def test_an_answer_that_was_lost_charges_nothing(nodes, subscription_id):
    node = nodes[0]
    allowance = node.allowance(subscription_id, Quota(100))
    await offer(allowance)
    lease = allowance.leases()[0]
    await node.office.submit(lease.order(20))  # the lease never hears of these

    assert await admitted(allowance, 9) == 9

    assert lease.remaining + lease.left == 90


async def test_a_valkey_that_forgot_is_told_again(nodes, subscription_id):
    allowances = [node.allowance(subscription_id, Quota(100)) for node in nodes]
    for allowance in allowances:
        assert await admitted(allowance, 10) == 10
    redis = nodes[0].office._redis
    await redis.delete(*[key async for key in redis.scan_iter(f"*{subscription_id}*")])

    for allowance in allowances:
        assert await admitted(allowance, 5) == 5

    lease = allowances[1].leases()[0]
    assert 70 - 2 <= lease.remaining + lease.left <= 70  # the other may hold some
    assert nodes[0].counters.read("limits_data_lost") == 1


async def test_a_refusal_while_valkey_is_away_counts_against_nothing(nodes, subscription_id):
    node = nodes[0]
    allowance = node.allowance(subscription_id, RateLimit(100, 60, 100), Quota(10))
    node.office._fail(OSError("gone"))

    assert await admitted(allowance, 50) == 5  # of two workers
    await node.office.beat()
    assert await admitted(allowance, 1) == 1

    rate, quota = allowance.leases()
    assert rate.remaining + rate.left == 94
    assert quota.remaining + quota.left == 4
    assert node.counters.read("limits_local_calls") == 5
