"""Following snapshots and revocations."""

import asyncio
import json
import time

import pytest

from gateway.control_client import ControlFailed
from gateway.counters import private_counters
from gateway.dataplane.guarded_authority import AuthorityFailed
from gateway.revocations import RevocationFollower
from gateway.snapshot import SnapshotFollower
from gateway.snapshot_store import SnapshotStore
from wire.bearer import digest
from wire.gateway_snapshot import GatewaySnapshot
from wire.revocation_feed import RevocationPage


class Source:
    """Gives what is in the list, then waits for ever."""

    def __init__(self, *answers) -> None:
        self.answers = list(answers)
        self.asked = []
        self.waited = []

    async def _next(self, after):
        self.asked.append(after)
        if not self.answers:
            await asyncio.Event().wait()
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def read_snapshot(self, after, digest, *, waits):
        self.waited.append(waits)
        return await self._next(after)

    async def read_revocations(self, cursor):
        return await self._next(cursor)


async def run_until_idle(follower, source) -> None:
    task = asyncio.create_task(follower.run())
    async with asyncio.timeout(10):
        while source.answers:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def counters():
    return private_counters()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "gateway" / "snapshot.json"


def follow(source, path, counters):
    applied = []

    def apply(tables):
        applied.append(tables)
        yield

    follower = SnapshotFollower(
        source=source, store=SnapshotStore(path.parent), apply=apply, counters=counters
    )
    return follower, applied


async def test_snapshots_are_applied_in_order_and_the_last_is_kept(path, counters):
    source = Source(GatewaySnapshot(3).encode(), None, GatewaySnapshot(5).encode())
    follower, applied = follow(source, path, counters)

    await run_until_idle(follower, source)

    assert [snapshot.version for snapshot in applied] == [3, 5]
    assert source.asked == [0, 3, 3, 5]
    assert json.loads(path.read_bytes())["version"] == 5
    assert path.stat().st_mode & 0o777 == 0o600
    assert counters.read("snapshot_version") == 5


async def test_an_outage_is_waited_out(path, counters):
    source = Source(ControlFailed("down"), ControlFailed("down"), GatewaySnapshot(1).encode())
    follower, applied = follow(source, path, counters)

    await run_until_idle(follower, source)

    assert len(applied) == 1
    assert counters.read("snapshot_failures") == 2
    assert counters.read("snapshot_refused") == 0


async def test_a_start_without_the_control_plane_serves_from_disk(path, counters):
    path.parent.mkdir()
    path.write_bytes(GatewaySnapshot(7).encode())
    follower, applied = follow(Source(), path, counters)

    assert follower.load_from_disk()
    assert [snapshot.version for snapshot in applied] == [7]


@pytest.mark.parametrize("content", [None, b"", b"{", b'{"version":"x"}'])
async def test_a_missing_or_broken_file_is_no_snapshot(path, counters, content):
    if content is not None:
        path.parent.mkdir()
        path.write_bytes(content)
    follower, applied = follow(Source(), path, counters)

    assert not follower.load_from_disk()
    assert applied == []


@pytest.mark.parametrize(
    "document",
    [
        b"not json",
        b"[]",
        b'{"version":2,"apis":[{"id":1}]}',
        b'{"version":2,"upstreams":[{"id":"u","url":"ftp://x"}]}',
    ],
)
async def test_a_snapshot_that_does_not_validate_is_not_loaded(path, counters, document):
    source = Source(GatewaySnapshot(1).encode(), document)
    follower, applied = follow(source, path, counters)

    await run_until_idle(follower, source)

    assert [snapshot.version for snapshot in applied] == [1]
    assert counters.read("snapshot_rejections") == 1
    assert counters.read("snapshot_refused") == 1
    assert json.loads(path.read_bytes())["version"] == 1


async def test_revoked_digests_are_dropped(gateway, counters):
    token = gateway.authority.issue()
    await gateway.call(token=token)
    source = Source(
        RevocationPage(5), RevocationPage(6, (digest(token.decode()),)), RevocationPage(6)
    )
    gateway.authority.live[gateway.authority.issue()] = b""
    follower = RevocationFollower(feed=source, exchange=gateway.exchange, counters=counters)

    await run_until_idle(follower, source)

    assert (await gateway.call(token=token)).status == 401
    assert source.asked == [None, 5, 6, 6]


@pytest.mark.parametrize("page", [RevocationPage(9), RevocationPage(9, reset=True)])
async def test_a_gap_in_the_feed_empties_the_cache(gateway, counters, page):
    await gateway.call(token=gateway.authority.issue())
    source = Source(page)
    follower = RevocationFollower(feed=source, exchange=gateway.exchange, counters=counters)

    await run_until_idle(follower, source)

    assert len(gateway.cache) == 0


async def test_a_reconnected_feed_goes_on_from_its_cursor(gateway, counters):
    source = Source(RevocationPage(5), AuthorityFailed("down"), RevocationPage(6))
    follower = RevocationFollower(feed=source, exchange=gateway.exchange, counters=counters)

    await run_until_idle(follower, source)

    assert source.asked == [None, 5, 5, 6]


async def test_a_lost_feed_ages_the_cache_after_ten_seconds(gateway, counters):
    follower = RevocationFollower(feed=Source(), exchange=gateway.exchange, counters=counters)
    now = time.monotonic()

    follower.check_loss(now + 5)
    assert gateway.exchange.stale_before == float("-inf")

    follower.check_loss(now + 11)
    assert gateway.exchange.stale_before == pytest.approx(now + 11 - 60)
    assert counters.read("feed_lost_seconds") >= 10
