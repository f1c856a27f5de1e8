import asyncio
from collections import Counter
from contextlib import AsyncExitStack

import pytest
import uvloop

from gateway.upstream import errors
from gateway.upstream.client import UpstreamClient
from gateway.upstream.targets import Target, TargetGroup
from tests.unit.gateway.harness import wait_until
from tests.unit.gateway.raw_upstream import run_raw_upstream
from wire.gateway_snapshot import HealthCheck

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
QUICK = HealthCheck("/up", interval_seconds=0.05, timeout_seconds=0.5)


def pytest_asyncio_loop_factories(config, item):
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def servers():
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(run_raw_upstream()) for _ in range(3)]


@pytest.fixture
async def group(servers):
    """Return `make(weights, **settings)`: a group over as many of the servers."""
    made = []

    def make(*weights, ports=(), **settings):
        ports = ports or [server.port for server in servers]
        targets = [
            Target(str(at), client(f"http://127.0.0.1:{port}/t{at}"), weight)
            for at, (weight, port) in enumerate(zip(weights, ports, strict=False))
        ]
        made.append(TargetGroup("orders", targets, **settings))
        made[-1].start()
        return made[-1]

    yield make
    for each in made:
        await each.close()


def client(url):
    return UpstreamClient(
        url=url,
        connect_timeout_seconds=1.0,
        first_byte_timeout_seconds=2.0,
        idle_timeout_seconds=2.0,
    )


class Pieces:
    def __init__(self, *pieces):
        self.length = None
        self._pieces = list(pieces)

    async def read(self):
        return self._pieces.pop(0) if self._pieces else b""


async def get(group, body=b"", method=b"GET"):
    return (await group.send(method, b"/x", [], body)).status


async def unused_port():
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port


async def test_calls_are_shared_out_by_weight_and_spread(group, servers):
    shared = group(4, 2, 2)
    order = []
    for _ in range(16):
        await get(shared)
        order += [at for at, s in enumerate(servers) if len(s.requests) > order.count(at)]

    assert Counter(order) == {0: 8, 1: 4, 2: 4}
    assert all(0 in order[at : at + 3] for at in range(14))


async def test_each_target_has_its_own_prefix_and_host(group, servers):
    shared = group(1, 1)
    await get(shared)
    await get(shared)

    assert servers[1].last.request_line == "GET /t1/x HTTP/1.1"
    assert servers[1].last.values("host") == [f"127.0.0.1:{servers[1].port}"]


async def test_target_that_refuses_connections_costs_no_call(group, servers):
    shared = group(1, 1, ports=[await unused_port(), servers[1].port])

    assert [await get(shared) for _ in range(6)] == [200] * 6


@pytest.mark.parametrize(
    ("body", "arrived"),
    [
        (b"whole", b"whole"),
        (Pieces(b"one", b"two"), b"onetwo"),
        (Pieces(b"one"), b"one"),
        (Pieces(), b""),
    ],
)
async def test_body_goes_whole_to_the_target_that_is_tried_next(group, servers, body, arrived):
    shared = group(1, 1, ports=[await unused_port(), servers[1].port])
    shared._turn = 1  # the next is the first

    await get(shared, body, b"POST")

    assert servers[1].last.body == arrived


async def test_websocket_is_opened_at_the_target_that_is_there(group, servers):
    servers[
        1
    ].answer = (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    )
    shared = group(1, 1, ports=[await unused_port(), servers[1].port])

    for _ in range(3):
        response, connection = await shared.open_websocket(b"/feed", [(b"x-a", b"1")])
        assert response.status == 101
        connection.abort()

    assert {seen.request_line for seen in servers[1].requests} == {"GET /t1/feed HTTP/1.1"}
    assert servers[1].last.values("upgrade") == ["websocket"]


async def test_websocket_that_is_refused_is_an_answer_and_tells_of_the_target(group, servers):
    servers[0].answer = UNAVAILABLE
    shared = group(1, ports=[servers[0].port])

    response, connection = await shared.open_websocket(b"/feed", [])

    assert (response.status, connection) == (503, None)
    assert shared.targets[0].failed_calls == 1


async def test_call_that_reached_a_target_is_never_sent_to_another(group, servers):
    async def hang_up(recorded, writer):
        writer.close()

    servers[0].answerer = hang_up
    shared = group(1, 1)
    shared._turn = 1

    with pytest.raises(errors.ConnectionLost):
        await get(shared, b"x", b"POST")

    assert servers[1].requests == []


async def test_failed_calls_in_a_row_take_a_target_out_for_a_while(group, servers):
    servers[0].answer = UNAVAILABLE
    shared = group(1, 1, eject_after=3, ejection_seconds=0.2)

    statuses = [await get(shared) for _ in range(12)]

    assert statuses.count(503) == 3
    assert shared.targets[0].is_ejected
    servers[0].answer = OK
    await wait_until(lambda: shared.targets[0].is_up)
    seen = len(servers[0].requests)
    await get(shared)
    await get(shared)
    assert len(servers[0].requests) == seen + 1


async def test_ejections_grow_longer_while_the_target_stays_bad(group, servers):
    servers[0].answer = UNAVAILABLE
    shared = group(1, 1, eject_after=2, ejection_seconds=0.05)
    bad = shared.targets[0]
    spells = []

    for _ in range(3):
        await wait_until(lambda: bad.is_up)
        while bad.is_up:
            await get(shared)
        spells.append(bad.spell)

    assert spells == [0.05, 0.1, 0.2]
    assert bad.times_ejected == 3


async def test_success_between_failures_keeps_a_target_in(group, servers):
    shared = group(1, 1, eject_after=2)
    for answer in (UNAVAILABLE, OK) * 3:
        servers[0].answer = answer
        await get(shared)
        await get(shared)

    assert shared.targets[0].is_up


async def test_the_last_target_is_never_ejected(group, servers):
    for server in servers:
        server.answer = UNAVAILABLE
    shared = group(1, 1, eject_after=2, ejection_seconds=30)

    statuses = [await get(shared) for _ in range(20)]

    assert statuses == [503] * 20  # the upstream's own answers: calls still get there
    assert sum(target.is_up for target in shared.targets) == 1


async def test_zero_never_ejects(group, servers):
    servers[0].answer = UNAVAILABLE
    shared = group(1, 1, eject_after=0)

    assert [await get(shared) for _ in range(20)].count(503) == 10


async def test_health_check_takes_a_target_out_and_brings_it_back(group, servers):
    async def sick(recorded, writer):
        writer.write(UNAVAILABLE if recorded.request_line.startswith("GET /up ") else OK)

    shared = group(1, 1, health=QUICK)
    servers[0].answerer = sick

    await wait_until(lambda: not shared.targets[0].is_up)
    calls = [r for r in servers[0].requests if "/up" not in r.request_line]
    assert [await get(shared) for _ in range(4)] == [200] * 4
    assert [r for r in servers[0].requests if "/up" not in r.request_line] == calls

    servers[0].answerer = None
    await wait_until(lambda: shared.targets[0].is_up)


async def test_health_check_must_fail_several_times_in_a_row(group, servers):
    answers = [UNAVAILABLE, UNAVAILABLE, OK] * 3

    async def unsteady(recorded, writer):
        writer.write(answers.pop(0) if answers else OK)

    servers[0].answerer = unsteady
    shared = group(1, health=QUICK)
    downs = []
    while answers:
        await asyncio.sleep(0.01)
        downs.append(shared.targets[0].is_up)

    assert all(downs)


async def test_all_targets_down_by_checks_refuses_until_one_is_up(group, servers):
    for server in servers:
        server.answer = UNAVAILABLE
    shared = group(1, 1, health=QUICK)
    await wait_until(lambda: not any(target.is_up for target in shared.targets))

    with pytest.raises(errors.NoTargetLeft) as caught:
        await get(shared)

    assert caught.value.retry_after_seconds == 1
    assert all("/up" in server.last.request_line for server in servers[:2])
    servers[1].answer = OK
    await wait_until(lambda: shared.targets[1].is_up)
    assert await get(shared) == 200


async def test_ejected_target_serves_when_checks_leave_no_other(group, servers):
    async def ill(recorded, writer):
        writer.write(UNAVAILABLE)

    async def fails_calls_only(recorded, writer):
        writer.write(OK if recorded.request_line.startswith("GET /up ") else UNAVAILABLE)

    servers[0].answerer = fails_calls_only
    shared = group(1, 1, health=QUICK, eject_after=1, ejection_seconds=60)
    while not shared.targets[0].is_ejected:
        await get(shared)
    servers[1].answerer = ill
    await wait_until(lambda: not shared.targets[1].is_healthy)
    servers[0].answerer = None

    assert await get(shared) == 200


async def test_slow_health_answer_is_a_failure(group, servers):
    async def slow(recorded, writer):
        await asyncio.sleep(30)

    servers[0].answerer = slow
    health = HealthCheck("/up", interval_seconds=0.05, timeout_seconds=0.05, unhealthy_after=1)
    shared = group(1, 1, health=health)

    await wait_until(lambda: not shared.targets[0].is_up)
    assert shared.targets[1].is_up
