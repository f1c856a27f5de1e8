import asyncio
import os
import subprocess
import sys
import textwrap
import time
from collections import Counter
from pathlib import Path

import pytest

from gateway.dataplane.usage_journal import MeterKey, UsageJournal
from gateway.usage import segment
from gateway.usage.shipper import BatchRejected, UsageShipper

ROOT = Path(__file__).parents[3]


def count(journal, client="c", times=1):
    key = MeterKey(subscription_id="s", client_id=client, plan_id="p", api_id="a", operation_id="o")
    for _ in range(times):
        journal.record(key, 200, request_bytes=1, response_bytes=2, latency_ms=3, now=6e8)


class ControlAPI:
    """Stores each batch id once, as the real one does; `trouble` is raised instead when set."""

    def __init__(self, pause=0.0):
        self.stored = {}
        self.attempts = []
        self.trouble = None
        self.pause = pause

    async def __call__(self, batch):
        self.attempts.append(batch.id)
        await asyncio.sleep(self.pause)
        if self.trouble is not None:
            raise self.trouble
        self.stored.setdefault(batch.id, batch)

    def calls(self):
        return Counter(
            {
                row.client_id: sum(
                    r.calls
                    for b in self.stored.values()
                    for r in b.rows
                    if r.client_id == row.client_id
                )
                for batch in self.stored.values()
                for row in batch.rows
            }
        )


@pytest.fixture
def control():
    return ControlAPI()


@pytest.fixture
def journal(tmp_path):
    journal = UsageJournal(tmp_path, node="n1")
    yield journal
    journal.close()


def leave_orphan(directory, times):
    """Let another process count and die without a word."""
    code = textwrap.dedent(
        f"""
        import os, signal
        from pathlib import Path
        from gateway.dataplane.usage_journal import MeterKey, UsageJournal
        journal = UsageJournal(Path({str(directory)!r}), node="dead")
        key = MeterKey(subscription_id="s", client_id="orphan", plan_id="p", api_id="a",
                       operation_id="o")
        for _ in range({times}):
            journal.record(key, 200, request_bytes=1, response_bytes=2, latency_ms=3, now=6e8)
        os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)


async def test_counted_calls_arrive_and_their_file_goes(journal, control, tmp_path):
    count(journal, times=3)

    await UsageShipper(journal, tmp_path, send=control).ship()

    assert control.calls() == {"c": 3}
    assert [path.name for path in tmp_path.iterdir()] == [journal._segment.path.name]


async def test_nothing_counted_sends_nothing(journal, control, tmp_path):
    await UsageShipper(journal, tmp_path, send=control).ship()

    assert control.attempts == []


async def test_batch_that_was_not_stored_is_kept_and_sent_again_under_its_id(
    journal, control, tmp_path
):
    shipper = UsageShipper(journal, tmp_path, send=control)
    count(journal)
    control.trouble = ConnectionError()
    for _ in range(2):
        with pytest.raises(ConnectionError):
            await shipper.ship()
    control.trouble = None

    await shipper.ship()

    assert len(control.attempts) == 3
    assert len(set(control.attempts)) == 1
    assert control.calls() == {"c": 1}


async def test_answer_that_was_lost_counts_nothing_twice(journal, control, tmp_path):
    shipper = UsageShipper(journal, tmp_path, send=control)
    count(journal, times=5)

    async def stored_but_the_answer_is_lost(batch):
        await control(batch)
        raise TimeoutError

    shipper._send = stored_but_the_answer_is_lost
    with pytest.raises(TimeoutError):
        await shipper.ship()
    shipper._send = control
    await shipper.ship()

    assert control.calls() == {"c": 5}


async def test_segment_of_a_dead_worker_is_adopted(journal, control, tmp_path):
    leave_orphan(tmp_path, times=4)

    await UsageShipper(journal, tmp_path, send=control).ship()

    (batch,) = control.stored.values()
    assert batch.node == "dead"
    assert control.calls() == {"orphan": 4}


async def test_segment_of_a_living_worker_is_left_alone(journal, control, tmp_path):
    other = UsageJournal(tmp_path, node="n2")
    count(other)

    await UsageShipper(journal, tmp_path, send=control).ship()

    assert control.attempts == []
    other.close()


async def test_racing_shippers_adopt_each_orphan_once(journal, tmp_path):
    control = ControlAPI(pause=0.01)
    for number in range(20):
        dead = UsageJournal(tmp_path, node="dead")
        count(dead, client=str(number))
        dead.close()
    shippers = [UsageShipper(journal, tmp_path, send=control) for _ in range(3)]

    await asyncio.gather(*[shipper.ship() for shipper in shippers])
    await asyncio.gather(*[shipper.ship() for shipper in shippers])

    assert len(control.attempts) == 20
    assert sum(control.calls().values()) == 20


def test_file_that_was_shipped_since_it_was_opened_is_not_shipped_again(tmp_path, monkeypatch):
    dead = UsageJournal(tmp_path, node="dead")
    count(dead)
    dead.close()
    (path,) = tmp_path.iterdir()
    real = segment.os.open

    def open_late(*arguments):
        descriptor = real(*arguments)
        path.unlink()  # by another shipper, which is faster
        return descriptor

    monkeypatch.setattr(segment.os, "open", open_late)
    with segment.claim(path) as descriptor:
        assert descriptor is None


async def test_what_was_counted_in_memory_is_shipped_too(journal, control, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(segment.os, "write", fail)
        count(journal, "disk")
        journal.seal()
        count(journal, "memory")
        journal.seal()
    shipper = UsageShipper(journal, tmp_path, send=control)

    control.trouble = ConnectionError()
    with pytest.raises(ConnectionError):
        await shipper.ship()
    control.trouble = None
    await shipper.ship()

    assert control.calls() == {"disk": 1, "memory": 1}


async def test_refused_and_corrupt_segments_are_set_aside_and_block_nothing(
    journal, control, tmp_path
):
    (tmp_path / "00000000-bad.usage").write_bytes(b"junk")
    count(journal, "refused")
    control.trouble = BatchRejected("400")
    shipper = UsageShipper(journal, tmp_path, send=control)
    await shipper.ship()
    control.trouble = None
    count(journal, "good")

    await shipper.ship()

    assert control.calls() == {"good": 1}
    assert shipper.batches_rejected == 2
    assert len(list(tmp_path.glob("*.rejected"))) == 2


def seal_six(journal):
    for number in range(6):
        count(journal, client=str(number))
        journal.seal()
        time.sleep(0.002)  # names sort by the millisecond


async def test_spool_is_bounded_while_nothing_can_be_sent(journal, control, tmp_path):
    seal_six(journal)
    control.trouble = ConnectionError()
    shipper = UsageShipper(
        journal, tmp_path, send=control, max_spool_bytes=4 * segment.SEGMENT_BYTES
    )

    await shipper._ship_or_back_off()
    control.trouble = None
    await shipper.ship()

    assert shipper.segments_discarded == 3  # six sealed and the present one
    assert sorted(control.calls()) == ["3", "4", "5"]


async def test_nothing_is_discarded_that_can_be_sent(journal, control, tmp_path):
    seal_six(journal)

    await UsageShipper(journal, tmp_path, send=control, max_spool_bytes=0)._ship_or_back_off()

    assert sum(control.calls().values()) == 6


async def test_running_shipper_survives_failures_and_backs_off(journal, control, tmp_path):
    control.trouble = ConnectionError()
    shipper = UsageShipper(journal, tmp_path, send=control, interval_seconds=0.01)
    shipper_task = asyncio.create_task(shipper.run())
    count(journal)
    await asyncio.sleep(0.3)
    failures = shipper.send_failures
    files = len(list(tmp_path.glob("*.usage")))
    control.trouble = None
    for _ in range(100):
        await asyncio.sleep(0.05)
        if control.stored:
            break

    shipper_task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await shipper_task
    assert (failures, files) == (1, 2)
    assert control.calls() == {"c": 1}


async def test_last_counts_are_shipped_when_the_worker_stops(journal, control, tmp_path):
    shipper_task = asyncio.create_task(UsageShipper(journal, tmp_path, send=control).run())
    await asyncio.sleep(0.01)
    count(journal)

    shipper_task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await shipper_task

    assert control.calls() == {"c": 1}


async def test_last_shipping_has_a_time_limit(journal, tmp_path):
    control = ControlAPI(pause=60)
    shipper = UsageShipper(journal, tmp_path, send=control, flush_seconds=0.05)
    shipper_task = asyncio.create_task(shipper.run())
    await asyncio.sleep(0.01)
    count(journal)

    shipper_task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(shipper_task, 5)

    assert len(list(tmp_path.glob("*.usage"))) == 2  # kept for the next start


async def test_half_made_files_of_dead_workers_are_swept(journal, control, tmp_path):
    old, young = tmp_path / "old.new", tmp_path / "young.new"
    old.write_bytes(b"")
    young.write_bytes(b"")
    os.utime(old, (time.time() - 600,) * 2)

    await UsageShipper(journal, tmp_path, send=control).ship()

    assert (old.exists(), young.exists()) == (False, True)


class Reports:
    """Takes reports as the control API does."""

    def __init__(self, trouble=None):
        self.taken = []
        self.trouble = trouble

    async def __call__(self, report):
        if self.trouble is not None:
            raise self.trouble
        self.taken.append(report)
        return 1_700_000_040


async def test_what_is_shipped_is_told_with_what_is_left(journal, control, tmp_path):
    reports = Reports()
    shipper = UsageShipper(journal, tmp_path, send=control, report=reports)
    await shipper.tell()
    assert reports.taken == []  # nothing is known yet

    count(journal, times=3)
    before = int(time.time())
    await shipper.ship()
    await shipper.tell()

    (report,) = reports.taken
    assert (report.node, report.is_leaving) == ("n1", False)
    assert before <= report.shipped_until <= time.time()
    assert report.spool_bytes == 2 * segment.SEGMENT_BYTES  # the sealed one was still listed
    assert shipper.reconciled_minute == 1_700_000_040


async def test_nothing_is_said_to_be_shipped_while_a_segment_of_the_worker_is_left(
    journal, control, tmp_path
):
    shipper = UsageShipper(journal, tmp_path, send=control, report=Reports())
    count(journal)
    journal.seal()
    (sealed,) = (path for path in tmp_path.glob("*.usage") if path != journal.path)

    with segment.claim(sealed):  # another worker's shipper is at it
        await shipper.ship()
        await shipper.tell()
        assert shipper._report.taken == []
    await shipper.ship()
    await shipper.tell()

    assert len(shipper._report.taken) == 1


async def test_a_report_that_fails_is_counted_and_stops_no_shipping(journal, control, tmp_path):
    shipper = UsageShipper(journal, tmp_path, send=control, report=Reports(ConnectionError()))
    count(journal)

    await shipper.ship()
    await shipper.tell()

    assert (shipper.report_failures, shipper.send_failures, shipper.batches_sent) == (1, 0, 1)


async def test_a_worker_that_stops_says_goodbye_only_when_nothing_is_left(
    journal, control, tmp_path
):
    for trouble, goodbyes in ((ConnectionError(), []), (None, [True])):
        control.trouble, reports = trouble, Reports()
        shipper = UsageShipper(journal, tmp_path, send=control, report=reports)
        running = asyncio.create_task(shipper.run())
        await asyncio.sleep(0)
        count(journal)

        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

        assert [report.is_leaving for report in reports.taken] == goodbyes


async def test_lag_grows_while_nothing_can_be_shipped(journal, control, tmp_path):
    shipper = UsageShipper(journal, tmp_path, send=control, interval_seconds=0.01)
    count(journal)
    control.trouble = ConnectionError()
    with pytest.raises(ConnectionError):
        await shipper.ship()
    await asyncio.sleep(0.05)
    assert shipper.lag_seconds() >= 0.05

    control.trouble = None
    await shipper.ship()

    assert shipper.lag_seconds() == 0
