"""A Valkey of our own that is stopped, hung, and started anew with and without its data."""

import asyncio
import contextlib
import signal
import socket
import subprocess
import time

import pytest

from config.embedded import wheels
from tests.unit.gateway.dataplane.limiter import Node, admitted
from wire.gateway_snapshot import Quota, RateLimit


class OwnValkey:
    def __init__(self, directory) -> None:
        self._directory = directory
        self._program = wheels.find_valkey_server()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        settings = {"port": self.port, "bind": "127.0.0.1", "dir": self._directory, "save": '""',
                    "appendonly": "yes", "appendfsync": "always"}  # fmt: skip
        self.process = subprocess.Popen(
            [self._program, "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
        with self.process.stdin as given:
            given.write("".join(f"{k} {v}\n" for k, v in settings.items()).encode())
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.02)
        raise AssertionError("Valkey does not start")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        self.process.wait(20)


@pytest.fixture
def valkey(tmp_path):
    try:
        server = OwnValkey(tmp_path)
    except wheels.NoWheel:
        pytest.skip("there is no Valkey of ours to stop")
    yield server
    server.stop()


@pytest.fixture
async def pair(valkey):
    nodes = [Node("a", valkey.url), Node("b", valkey.url)]
    for node in nodes:
        await node.office.beat()
    yield nodes
    for node in nodes:
        await node.office.close()


async def back(nodes) -> None:
    """Both notice that Valkey is there, and what they owe has arrived."""
    for node in nodes:
        await node.office.beat()
        await asyncio.gather(*node.office._tasks)
    for node in nodes:
        now = time.monotonic()
        for seconds in (0, 1, 7):
            node.allowances.sweep(now + seconds)
        node.office._flush()
        await asyncio.gather(*node.office._tasks)


async def left_of(node, allowance) -> int:
    """What everybody has left; takes one call."""
    assert await admitted(allowance, 1) == 1
    lease = allowance.leases()[0]
    return lease.remaining + lease.left


async def test_calls_of_an_outage_are_charged_once(valkey, pair, subscription_id):
    first, second = (node.allowance(subscription_id, Quota(10_000)) for node in pair)
    assert await admitted(first, 100) + await admitted(second, 50) == 150

    for _ in range(2):  # and not again in the next outage
        valkey.stop()
        assert await admitted(first, 30) + await admitted(second, 20) == 50
        for node in pair:
            await node.office.beat()
        assert [node.counters.read("limits_degraded") for node in pair] == [1, 1]
        valkey.start()
        await back(pair)

    assert [node.counters.read("limits_degraded") for node in pair] == [0, 0]
    assert pair[0].counters.read("limits_local_calls") > 0
    assert await left_of(pair[0], first) == 10_000 - 150 - 2 * 50 - 1


async def test_an_order_that_a_hung_valkey_runs_later_is_charged_once(
    valkey, pair, subscription_id
):
    first = pair[0].allowance(subscription_id, Quota(10_000))
    assert await admitted(first, 20) == 20
    first.leases()[0].give_back()
    await asyncio.sleep(0.05)

    valkey.process.send_signal(signal.SIGSTOP)
    assert await admitted(first, 25) == 25  # the first of them waits for its time-out
    valkey.process.send_signal(signal.SIGCONT)
    await asyncio.sleep(0.1)
    await back(pair)

    assert await left_of(pair[0], first) == 10_000 - 45 - 1


async def test_a_rate_limit_remembers_what_was_admitted_in_an_outage(valkey, pair, subscription_id):
    limit = RateLimit(100, 3600, 100)
    first, second = (node.allowance(subscription_id, limit) for node in pair)
    valkey.stop()
    assert await admitted(first, 200) == 50  # its share
    valkey.start()
    await back(pair)

    assert await admitted(second, 200) == 50
    assert await admitted(first, 200) == 0


async def test_a_valkey_that_lost_its_data_gets_it_back_from_the_workers(
    valkey, pair, subscription_id, tmp_path
):
    first, second = (node.allowance(subscription_id, Quota(10_000)) for node in pair)
    assert await admitted(first, 100) + await admitted(second, 50) == 150
    await back(pair)

    valkey.stop()
    for found in sorted(tmp_path.rglob("*.aof")):
        found.unlink()
    for found in sorted(tmp_path.rglob("*.manifest")):
        found.unlink()
    valkey.start()
    await back(pair)
    assert await admitted(first, 1) + await admitted(second, 1) == 2
    await back(pair)

    assert await left_of(pair[0], first) == 10_000 - 150 - 2 - 1
    assert sum(node.counters.read("limits_data_lost") for node in pair) >= 1
