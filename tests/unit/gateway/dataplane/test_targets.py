import pytest

from tests.unit.gateway.harness import Harness, wait_until
from tests.unit.gateway.raw_upstream import run_raw_upstream
from wire.gateway_snapshot import HealthCheck, Target

SICK = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
async def call():
    """Return `call(harness)`: the answer to one call with a live token."""
    harnesses = []

    async def run(harness):
        harnesses.append(harness)
        return await harness.call(token=harness.authority.issue())

    yield run
    for harness in harnesses:
        await harness.upstreams.close()


async def test_call_to_an_internal_address_is_a_502_that_tells_nothing(upstream, call):
    harness = Harness(upstream.url, allow_internal=False)
    harness.configure()

    answer = await call(harness)

    assert (answer.status, answer.problem["type"]) == (502, "/problems/bad-gateway")
    assert "127.0.0.1" not in answer.body.decode()
    assert upstream.requests == []
    assert harness.journal.statuses == [502]


async def test_installation_may_allow_internal_addresses_for_all(upstream, call):
    harness = Harness(upstream.url, allow_internal=False)
    harness.upstreams._allow_internal = True
    harness.configure()

    assert (await call(harness)).status == 200


async def test_targets_share_the_calls(upstream, call):
    async with run_raw_upstream() as other:
        targets = (Target(upstream.url), Target(other.url + "/v2"))
        harness = Harness(upstream.url, targets=targets)
        harness.configure()

        for _ in range(4):
            assert (await call(harness)).status == 200

        assert [r.request_line for r in other.requests] == ["GET /v2/orders/42 HTTP/1.1"] * 2
        assert len(upstream.requests) == 2


async def test_all_targets_out_by_health_checks_is_a_503_with_retry_after(upstream, call):
    upstream.answer = SICK
    health = HealthCheck("/up", interval_seconds=0.05, timeout_seconds=0.05, unhealthy_after=1)
    harness = Harness(upstream.url, health=health)
    harness.configure()
    ((name, group),) = harness.upstreams.groups()
    await wait_until(lambda: not group.targets[0].is_up)

    answer = await call(harness)

    assert name == "orders"
    assert (answer.status, answer.value("retry-after")) == (503, "1")
    assert answer.problem["type"] == "/problems/upstream-unavailable"
    assert all("/up" in recorded.request_line for recorded in upstream.requests)


async def test_snapshot_that_changes_nothing_keeps_what_is_known_of_the_targets(upstream):
    harness = Harness(upstream.url, targets=(Target(upstream.url),))
    harness.configure()
    before = harness.upstreams.groups()

    harness.configure()

    assert harness.upstreams.groups() == before
    await harness.upstreams.close()
