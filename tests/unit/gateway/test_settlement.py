import asyncio
import itertools
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.dataplane.usage_journal import UsageJournal
from gateway.usage import segment, sent_file, settlement, shipper
from gateway.usage.sent_file import SentFile
from gateway.usage.shipper import UsageShipper
from tests.unit.gateway import last_answer

ROOT = Path(__file__).resolve().parents[3]
SMALL, LARGE = 300, 100_000


@pytest.fixture
def sent():
    own = SentFile.create()
    yield own
    own.close()


def as_worker(sent):
    """Return the same open file as a worker has it."""
    return SentFile(os.dup(sent.descriptor), sent.identity)


def leave_pending(directory, sent, *, is_sent=False, calls_before=1, node="dead"):
    """Leave the segment of a worker that was killed before or after it sent; return its path."""
    journal = UsageJournal(directory, node=node, sent_file=as_worker(sent))
    for _ in range(calls_before):
        last_answer.count(journal, 5)
    mark = journal.sent_file.put(b"hello")
    last_answer.count(journal, 5, mark)
    if is_sent:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            journal.sent_file.send(ours.fileno(), 5)
    path = journal.path
    journal.close()
    return path


def counts(path):
    """Return what a row counts: calls and three sums."""
    rows = segment.read_batch(path.read_bytes()).rows
    assert len(rows) <= 1
    for row in rows:
        return row.calls, row.request_bytes, row.response_bytes, row.latency_ms
    return 0, 0, 0, 0


def expected(calls, size=5):
    request_bytes, latency_ms = last_answer.REQUEST_BYTES, last_answer.LATENCY_MS
    return calls, calls * request_bytes, calls * size, calls * latency_ms


def has_note(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return segment.is_pending(descriptor)
    finally:
        os.close(descriptor)


def overwrite(path, at, data):
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


# Killed at each step.


def answer_and_die(directory, sent, *, step, row, size):
    """Return the exit status of a worker, and what its client got."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, last_answer.LITTLE)
        port = listening.getsockname()[1]
        arguments = [str(directory), str(port), str(step), row, str(size)]
        with subprocess.Popen(
            [sys.executable, "-S", "-m", "tests.unit.gateway.last_answer", *arguments],
            cwd=ROOT,
            env={**os.environ, sent_file.VARIABLE: f"{sent.descriptor}:{sent.identity}"},
            pass_fds=[sent.descriptor],
            stdout=subprocess.PIPE,
        ) as worker:
            stream, _ = listening.accept()
            with stream:
                worker.stdout.read(1)  # a client that is slow at first
                received = b"".join(iter(lambda: stream.recv(65536), b""))
    return worker.returncode, received


@pytest.mark.parametrize("row", ["old", "new"])
@pytest.mark.parametrize("size", [SMALL, LARGE])  # LARGE is sent in parts
async def test_a_call_counts_if_and_only_if_its_client_got_everything(tmp_path, row, size):
    answer, fates = last_answer.make_answer(size), []
    for step in itertools.count(1):
        directory = tmp_path / str(step)
        sent = SentFile.create()
        status, received = answer_and_die(directory, sent, step=step, row=row, size=size)
        (path,) = directory.iterdir()

        await settlement.settle(directory, sent)

        settled = path.read_bytes()
        await settlement.settle(directory, sent)
        sent.close()
        assert path.read_bytes() == settled
        assert answer.startswith(received)
        is_complete = received == answer
        assert counts(path) == expected(is_complete + (row == "old"), size), step
        assert not has_note(path)
        fates.append((is_complete, len(received) > 0))
        if status == 0:
            break
        assert status == -signal.SIGKILL

    assert fates == sorted(fates)
    assert fates.count((False, False)) >= 15  # each word of the note and of the row
    assert fates.count((True, True)) >= 3  # after the send, after the note went, at the end
    assert (fates.count((False, True)) >= 10) == (size == LARGE)


# The parent.


@pytest.mark.parametrize("calls_before", [0, 1, 7])
@pytest.mark.parametrize("is_sent", [False, True])
async def test_what_was_not_sent_is_undone(tmp_path, sent, is_sent, calls_before):
    path = leave_pending(tmp_path, sent, is_sent=is_sent, calls_before=calls_before)
    assert counts(path) == expected(calls_before + 1)
    assert has_note(path)

    await settlement.settle(tmp_path, sent)

    assert counts(path) == expected(calls_before + is_sent)
    assert not has_note(path)


@pytest.mark.parametrize("is_sent", [False, True])
@pytest.mark.parametrize("fails_at", [1, 2])
async def test_settling_that_failed_is_done_again(tmp_path, sent, is_sent, fails_at, monkeypatch):
    path = leave_pending(tmp_path, sent, is_sent=is_sent)
    writes = itertools.count(1)

    def fail_once(*arguments, real=os.pwrite):
        if next(writes) == fails_at:
            raise OSError(5, "Input/output error")
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(segment.os, "pwrite", fail_once)
        if not is_sent or fails_at == 1:
            with pytest.raises(OSError, match="Input/output"):
                await settlement.settle(tmp_path, sent)
            assert has_note(path)

    await settlement.settle(tmp_path, sent)

    assert counts(path) == expected(1 + is_sent)
    assert not has_note(path)


async def test_segment_of_another_worker_is_left_alone(tmp_path, sent):
    other = SentFile.create()
    path = leave_pending(tmp_path, other)
    before = path.read_bytes()

    await settlement.settle(tmp_path, sent)

    assert path.read_bytes() == before
    other.close()


async def test_all_segments_of_the_worker_are_looked_at_and_sealed_ones_keep_their_counts(
    tmp_path, sent
):
    journal = UsageJournal(tmp_path, node="dead", sent_file=as_worker(sent))
    last_answer.count(journal, 5)
    sealed = journal.path
    journal.seal()
    journal.close()
    pending = leave_pending(tmp_path, sent)
    before = sealed.read_bytes()

    await settlement.settle(tmp_path, sent)

    assert sealed.read_bytes() == before
    assert counts(pending) == expected(1)


async def test_a_parent_without_memfd_settles_nothing_and_does_not_fail(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "memfd_create")
    nothing = SentFile.create()
    monkeypatch.undo()
    journal = UsageJournal(tmp_path, node="dead", sent_file=SentFile(-1, 0))
    last_answer.count(journal, 5, journal.sent_file.put(b"hello"))
    path = journal.path
    journal.close()
    before = path.read_bytes()

    await settlement.settle(tmp_path, nothing)

    assert path.read_bytes() == before
    nothing.close()


LOCKER = (
    "import fcntl, os, sys\n"
    "descriptor = os.open(sys.argv[1], os.O_RDONLY)\n"
    "fcntl.flock(descriptor, fcntl.LOCK_EX)\n"
    "os.write(1, b'.')\n"
    "sys.stdin.read()\n"
)


@pytest.fixture
def lock():
    """Let another process hold the lock of a segment until its input ends."""
    running = []

    def hold(path):
        command = [sys.executable, "-S", "-c", LOCKER, str(path)]
        pipe = subprocess.PIPE
        running.append(subprocess.Popen(command, stdin=pipe, stdout=pipe))
        assert running[-1].stdout.read(1) == b"."
        return running[-1]

    yield hold
    for process in running:
        process.communicate(timeout=10)


async def test_lock_that_another_shipper_holds_is_waited_for(tmp_path, sent, lock):
    path = leave_pending(tmp_path, sent)
    locker = lock(path)

    settling = asyncio.create_task(settlement.settle(tmp_path, sent))
    done, _ = await asyncio.wait([settling], timeout=0.2)
    assert not done
    assert has_note(path)
    locker.communicate(timeout=10)
    await settling

    assert counts(path) == expected(1)
    assert not has_note(path)


async def test_lock_is_not_waited_for_without_end(tmp_path, sent, lock, monkeypatch, caplog):
    monkeypatch.setattr(settlement, "_PATIENCE_SECONDS", 0.1)
    path = leave_pending(tmp_path, sent)
    lock(path)

    await asyncio.wait_for(settlement.settle(tmp_path, sent), 5)

    assert has_note(path)
    assert counts(path) == expected(2)
    assert "could not be settled" in caplog.text
    assert path.name in caplog.text


async def test_file_that_goes_while_it_is_locked_is_settled(tmp_path, sent, lock, caplog):
    path = leave_pending(tmp_path, sent)
    lock(path)

    settling = asyncio.create_task(settlement.settle(tmp_path, sent))
    await asyncio.wait([settling], timeout=0.1)
    path.unlink()
    await asyncio.wait_for(settling, 1)

    assert "could not" not in caplog.text


async def test_file_that_goes_after_it_was_listed_is_settled(tmp_path, sent, monkeypatch):
    vanishing = leave_pending(tmp_path, sent)
    path = leave_pending(tmp_path, sent)

    def read_and_lose(listed, real=segment.read_pending_file):
        identity = real(listed)
        vanishing.unlink(missing_ok=True)
        return identity

    monkeypatch.setattr(segment, "read_pending_file", read_and_lose)
    await settlement.settle(tmp_path, sent)

    assert counts(path) == expected(1)


def test_file_that_is_gone_has_no_identity(tmp_path, sent):
    assert segment.read_pending_file(tmp_path / "gone.usage") is None
    assert segment.read_pending_file(leave_pending(tmp_path, sent)) == sent.identity


# Damage.


@pytest.mark.parametrize(
    ("at", "damage"),
    [(0, b"junk"), (8, bytes([9])), (32, b"\xff\xff")],
    ids=["magic", "version", "length of the node"],
)
async def test_segment_with_a_damaged_header_is_left_alone_and_stops_no_other(
    tmp_path, sent, at, damage
):
    damaged = leave_pending(tmp_path, sent)
    path = leave_pending(tmp_path, sent)
    overwrite(damaged, at, damage)
    before = damaged.read_bytes()

    await settlement.settle(tmp_path, sent)

    assert damaged.read_bytes() == before
    assert counts(path) == expected(1)


@pytest.mark.parametrize("size", [0, 7, 100, segment._HEADER_BYTES - 8])
async def test_segment_that_ends_in_its_header_is_left_alone(tmp_path, sent, size):
    damaged = leave_pending(tmp_path, sent)
    os.truncate(damaged, size)

    await settlement.settle(tmp_path, sent)

    assert damaged.stat().st_size == size


BEYOND = segment.SEGMENT_BYTES // 8


FIRST = segment._HEADER_BYTES // 8


@pytest.mark.parametrize(
    "row",
    [0, 55, 63, FIRST + 1, BEYOND - 8, BEYOND - 7, BEYOND, BEYOND + 99, 2**60, 2**63, 2**64 - 1],
)
async def test_note_of_a_row_that_is_none_is_told_and_changes_nothing(tmp_path, sent, row):
    path = leave_pending(tmp_path, sent)
    overwrite(path, segment.PENDING_AT, row.to_bytes(8, sys.byteorder))
    before = path.read_bytes()

    with pytest.raises(segment.CorruptSegment):
        await settlement.settle(tmp_path, sent)

    assert path.read_bytes() == before


# The journal that goes on.


def test_taken_back_call_is_as_if_it_had_not_been(tmp_path):
    journal = UsageJournal(tmp_path, node="n1")
    last_answer.count(journal, 5)

    last_answer.count(journal, 99, journal.sent_file.put(b"later"))
    journal.take_back()

    assert counts(journal.path) == expected(1)
    assert not has_note(journal.path)
    last_answer.count(journal, 5)
    assert counts(journal.path) == expected(2)
    journal.close()


def test_settled_call_can_not_be_taken_back(tmp_path):
    journal = UsageJournal(tmp_path, node="n1")
    last_answer.count(journal, 5, journal.sent_file.put(b"hello"))
    assert has_note(journal.path)

    journal.settle()
    journal.take_back()

    assert counts(journal.path) == expected(1)
    assert not has_note(journal.path)
    journal.close()


def test_call_without_a_mark_leaves_no_note(tmp_path):
    journal = UsageJournal(tmp_path, node="n1")

    last_answer.count(journal, 5)
    journal.take_back()

    assert counts(journal.path) == expected(1)
    journal.close()


def test_note_is_in_the_segment_that_has_the_row(tmp_path):
    journal = UsageJournal(tmp_path, node="n1")
    last_answer.count(journal, 5)
    sealed = journal.path
    journal.seal()

    last_answer.count(journal, 5, journal.sent_file.put(b"hello"))
    journal.take_back()

    assert (counts(sealed), has_note(sealed)) == (expected(1), False)
    assert (counts(journal.path), has_note(journal.path)) == (expected(0), False)
    journal.close()


# Shipping.


@pytest.fixture
def shipping(tmp_path):
    """Return a shipper of another worker, and the batches that were sent."""
    journal, batches = UsageJournal(tmp_path, node="other"), []

    async def send(batch):
        batches.append(batch)

    yield UsageShipper(journal, tmp_path, send=send), batches
    journal.close()


async def test_segment_with_a_note_waits_for_its_parent(tmp_path, sent, shipping, caplog):
    path = leave_pending(tmp_path, sent)

    for _ in range(3):
        await shipping[0].ship()

    assert shipping[1] == []
    assert has_note(path)
    assert caplog.text == ""


async def test_segment_is_shipped_at_once_when_it_is_settled(tmp_path, sent, shipping, caplog):
    path = leave_pending(tmp_path, sent)
    await shipping[0].ship()

    await settlement.settle(tmp_path, sent)
    await shipping[0].ship()

    (batch,) = shipping[1]
    assert [row.calls for row in batch.rows] == [1]
    assert not path.exists()
    assert "unsettled" not in caplog.text


async def test_segment_whose_parent_is_gone_is_shipped_as_it_was_counted(
    tmp_path, sent, shipping, monkeypatch, caplog
):
    monkeypatch.setattr(shipper, "_SETTLED_SECONDS", 0.2)
    path = leave_pending(tmp_path, sent)
    await shipping[0].ship()
    assert shipping[1] == []

    await asyncio.sleep(0.25)
    await shipping[0].ship()

    (batch,) = shipping[1]
    assert [row.calls for row in batch.rows] == [2]
    assert not path.exists()
    assert f"{path.name} is shipped unsettled" in caplog.text


async def test_each_segment_has_its_own_time_to_be_settled(tmp_path, sent, shipping, monkeypatch):
    monkeypatch.setattr(shipper, "_SETTLED_SECONDS", 0.2)
    first = leave_pending(tmp_path, sent)
    await shipping[0].ship()
    await asyncio.sleep(0.25)
    second = leave_pending(tmp_path, sent)

    await shipping[0].ship()

    assert (first.exists(), second.exists()) == (False, True)
