import contextlib
import errno
import os
import select
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.dataplane.usage_journal import (
    BY_CLIENT,
    BY_GATEWAY,
    BY_UPSTREAM,
    MeterKey,
    UsageJournal,
    UsageJournalUnusable,
)
from gateway.usage import segment
from gateway.usage.meter_key import decode_key

NOW = 1_800_000_030.5
ROOT = Path(__file__).parents[3]


def key(name="a", **more):
    members = {
        "subscription_id": f"subscription-{name}",
        "client_id": f"client-{name}",
        "plan_id": "plan",
        "api_id": "api",
        "operation_id": "operation",
    }
    return MeterKey(**members | more)


def count(journal, meter_key, status=200, now=NOW, **numbers):
    numbers = {"request_bytes": 1, "response_bytes": 10, "latency_ms": 100} | numbers
    journal.record(meter_key, status, now=now, **numbers)


def batches(directory):
    found = []
    for path in sorted(directory.glob("*.usage")):
        with segment.claim(path) as descriptor:
            if descriptor is not None:
                found.append(segment.read_batch(path.read_bytes()))
    return found


def sealed_rows(journal, directory):
    journal.seal()
    return [row for batch in batches(directory) for row in batch.rows]


def test_calls_of_one_key_status_and_minute_are_one_row(tmp_path):
    journal = UsageJournal(tmp_path, node="n1")

    count(journal, key(), now=NOW)
    count(journal, key(), now=NOW + 29, request_bytes=4, response_bytes=40, latency_ms=400)

    (row,) = sealed_rows(journal, tmp_path)
    assert (row.minute, row.status, row.calls) == (1_800_000_000, 200, 2)
    assert (row.request_bytes, row.response_bytes, row.latency_ms) == (5, 50, 500)
    assert (row.subscription_id, row.client_id) == ("subscription-a", "client-a")
    assert (row.plan_id, row.api_id, row.operation_id) == ("plan", "api", "operation")


def test_another_key_status_or_minute_is_another_row(tmp_path):
    journal = UsageJournal(tmp_path, node="n1")

    count(journal, key("a"))
    count(journal, key("b"))
    count(journal, key("a"), status=429)
    count(journal, key("a"), now=NOW + 60)
    count(journal, key("a"), now=NOW)  # a clock that goes back

    rows = sealed_rows(journal, tmp_path)
    assert sorted((row.client_id, row.status, row.minute, row.calls) for row in rows) == [
        ("client-a", 200, 1_800_000_000, 2),
        ("client-a", 200, 1_800_000_060, 1),
        ("client-a", 429, 1_800_000_000, 1),
        ("client-b", 200, 1_800_000_000, 1),
    ]


def test_what_is_counted_now_is_not_for_shipping_before_it_is_sealed(tmp_path):
    journal = UsageJournal(tmp_path, node="n1")
    count(journal, key())

    assert batches(tmp_path) == []
    journal.seal()
    assert len(batches(tmp_path)) == 1


def test_sealing_nothing_makes_no_file(tmp_path):
    journal = UsageJournal(tmp_path, node="n1")

    for _ in range(5):
        journal.seal()

    assert len(list(tmp_path.iterdir())) == 1


def test_batch_has_the_same_id_and_content_whenever_it_is_read(tmp_path):
    journal = UsageJournal(tmp_path, node="gateway-7")
    count(journal, key())
    journal.seal()

    first, second = batches(tmp_path)[0], batches(tmp_path)[0]

    assert first == second
    assert (first.id.version, first.node) == (7, "gateway-7")


def test_batches_have_different_ids(tmp_path):
    journal = UsageJournal(tmp_path, node="n1")
    for _ in range(3):
        count(journal, key())
        journal.seal()

    assert len({batch.id for batch in batches(tmp_path)}) == 3


def test_full_segment_is_sealed_and_counting_goes_on(tmp_path):
    journal = UsageJournal(tmp_path, node="n1")
    keys = [key(str(number), operation_id="o" * 1000) for number in range(600)]

    for meter_key in keys:
        count(journal, meter_key)

    rows = sealed_rows(journal, tmp_path)
    assert len(batches(tmp_path)) > 2
    assert {row.client_id for row in rows} == {meter_key.client_id for meter_key in keys}
    assert sum(row.calls for row in rows) == 600


def test_equal_meter_keys_are_the_same_and_never_change():
    assert key() is key()
    assert key("a") is not key("b")
    with pytest.raises(AttributeError):
        key().client_id = "other"


def test_identifiers_keep_every_character(tmp_path):
    journal = UsageJournal(tmp_path, node="n1")
    odd = key(subscription_id="", client_id="ü\0\n€", operation_id="x" * 3000)

    count(journal, odd)

    (row,) = sealed_rows(journal, tmp_path)
    assert (row.subscription_id, row.client_id, row.operation_id) == ("", "ü\0\n€", "x" * 3000)


@pytest.mark.parametrize("length", [4100, 70_000])
def test_identifiers_too_long_are_refused_when_the_key_is_made(length):
    with pytest.raises(ValueError, match="bytes"):
        key(client_id="x" * length)


def test_unfinished_row_is_not_read(tmp_path):
    journal = UsageJournal(tmp_path, node="n1")
    count(journal, key("a"))
    count(journal, key("b"))
    data = bytearray(journal._segment.buffer[:])
    at = list(journal._slots.values())[1] * 8

    data[at : at + 8] = bytes(8)  # killed just before the last word was written

    assert [row.client_id for row in segment.read_batch(bytes(data)).rows] == ["client-a"]


def test_row_that_was_opened_but_not_counted_is_not_read(tmp_path):
    journal = UsageJournal(tmp_path, node="n1")
    count(journal, key("a"))

    journal._segment.open_row(key("b"), 200, 0)

    assert [row.client_id for row in sealed_rows(journal, tmp_path)] == ["client-a"]


@pytest.mark.parametrize(
    "data",
    [b"", b"\0" * segment.SEGMENT_BYTES, b"something else", b"TGUSAGE\n" + b"\xff" * 1016],
)
def test_what_is_no_segment_is_told_so(data):
    with pytest.raises(segment.CorruptSegment):
        segment.read_batch(data)


@settings(max_examples=50, deadline=None)
@given(damage=st.lists(st.tuples(st.integers(0, 1023), st.integers(0, 255)), max_size=20))
def test_damaged_segment_is_read_or_refused_but_never_crashes(damage):
    journal_segment = segment.Segment.create_in_memory("n")
    for name in "abc":
        journal_segment.words[journal_segment.open_row(key(name), 200, 0) + segment.CALLS] = 1
    data = bytearray(journal_segment.buffer[:1024])
    for at, value in damage:
        data[at] = value

    with contextlib.suppress(segment.CorruptSegment):
        segment.read_batch(bytes(data))


# Trouble with the disk.


def test_directory_that_cannot_be_written_is_a_clear_error_at_the_start(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(UsageJournalUnusable, match=r"file.*Make the directory writable"):
        UsageJournal(tmp_path / "file", node="n1")


@pytest.fixture
def full_disk(monkeypatch):
    """Return a switch: while it is on, new segments find no space."""
    state = {"is_full": False}
    real = os.write

    def write(descriptor, data):
        if state["is_full"]:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data)

    monkeypatch.setattr(segment.os, "write", write)
    return state


def test_full_disk_at_the_start_is_a_clear_error_and_leaves_nothing(tmp_path, full_disk):
    full_disk["is_full"] = True

    with pytest.raises(UsageJournalUnusable, match="No space left on device"):
        UsageJournal(tmp_path, node="n1")
    assert list(tmp_path.iterdir()) == []


def test_full_disk_later_is_counted_in_memory_and_recovers(tmp_path, full_disk, caplog):
    journal = UsageJournal(tmp_path, node="n1")
    count(journal, key("a"))
    full_disk["is_full"] = True
    journal.seal()
    count(journal, key("b"))
    assert not journal.is_on_disk
    full_disk["is_full"] = False
    journal.seal()
    count(journal, key("c"))

    in_memory = journal.next_in_memory()
    journal.drop_in_memory(in_memory)

    assert [row.client_id for row in in_memory.rows] == ["client-b"]
    assert {row.client_id for row in sealed_rows(journal, tmp_path)} == {"client-a", "client-c"}
    assert journal.next_in_memory() is None
    assert (journal.memory_fallbacks, journal.is_on_disk) == (1, True)
    assert "memory only" in caplog.text


def test_memory_for_counters_is_bounded_and_the_loss_is_told(tmp_path, full_disk):
    journal = UsageJournal(tmp_path, node="n1")
    full_disk["is_full"] = True

    for number in range(70):
        count(journal, key(str(number)))
        journal.seal()

    assert len(journal._in_memory) == 64
    assert journal.calls_lost == 70 - 1 - 64  # the first is on disk


# Conservation.


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    operations=st.lists(
        st.one_of(
            st.just("seal"),
            st.tuples(
                st.integers(0, 5),
                st.sampled_from([200, 404, 429, 503]),
                st.integers(-300, 300),
                st.integers(0, 2**40),
                st.integers(1, 200),
            ),
        ),
        max_size=40,
    )
)
def test_calls_and_sums_are_conserved(tmp_path_factory, operations):
    directory = tmp_path_factory.mktemp("journal")
    journal = UsageJournal(directory, node="n1")
    calls, sums = Counter(), Counter()

    for operation in operations:
        if operation == "seal":
            journal.seal()
            continue
        number, status, offset, size, times = operation
        meter_key = key(str(number), operation_id="o" * 3500)
        for _ in range(times):
            count(journal, meter_key, status, NOW + offset, response_bytes=size)
        identity = (meter_key.client_id, status, int(NOW + offset) // 60 * 60)
        calls[identity] += times
        sums[identity] += times * size

    rows = sealed_rows(journal, directory)
    journal.close()
    counted, summed = Counter(), Counter()
    for row in rows:
        counted[row.client_id, row.status, row.minute] += row.calls
        summed[row.client_id, row.status, row.minute] += row.response_bytes
    assert counted == calls
    assert +summed == +sums


@given(st.tuples(*[st.text(max_size=50)] * 5))
def test_key_is_read_as_it_was_written(parts):
    names = ("subscription_id", "client_id", "plan_id", "api_id", "operation_id")

    made = MeterKey(**dict(zip(names, parts, strict=True)))

    assert decode_key(made.encoded + b"\0\0\0") == parts
    assert tuple(getattr(made, name) for name in names) == parts


# kill -9.

RECORDER = textwrap.dedent(
    """
    import os, sys, time
    from pathlib import Path
    from gateway.dataplane.usage_journal import MeterKey, UsageJournal

    journal = UsageJournal(Path(sys.argv[1]), node="victim")
    for number in range(10**9):
        key = MeterKey(subscription_id="s", client_id=str(number % 7), plan_id="p", api_id="a",
                       operation_id=str(number))
        journal.record(key, 200, request_bytes=1, response_bytes=2, latency_ms=3, now=1e9 + number)
        os.write(1, b".")  # acknowledged
        if number % 50 == 49:
            journal.seal()
    """
)


def test_nothing_acknowledged_is_lost_when_the_worker_is_killed(tmp_path):
    for round_number in range(8):
        directory = tmp_path / str(round_number)
        with subprocess.Popen(
            [sys.executable, "-c", RECORDER, str(directory)], stdout=subprocess.PIPE, cwd=ROOT
        ) as recorder:
            acknowledged = _read_at_least(recorder.stdout, 37 * (round_number + 1))
            os.kill(recorder.pid, signal.SIGKILL)
            acknowledged += len(recorder.stdout.read())

        rows = [row for batch in batches(directory) for row in batch.rows]
        calls = sum(row.calls for row in rows)
        assert acknowledged <= calls <= acknowledged + 1
        assert all(row.calls == 1 for row in rows)
        assert sum(row.response_bytes for row in rows) == 2 * calls


def _read_at_least(pipe, wanted):
    got = 0
    while got < wanted:
        assert select.select([pipe], [], [], 30)[0], "the recorder stands still"
        got += len(os.read(pipe.fileno(), 1))
    return got


def test_outcome_is_status_and_cause_and_an_earlier_release_told_no_cause(tmp_path):
    journal = UsageJournal(tmp_path, node="n1")

    for outcome in (404 + BY_UPSTREAM, 404 + BY_CLIENT, 504 + BY_GATEWAY, 200, 404, 503):
        count(journal, key(), outcome)

    rows = sealed_rows(journal, tmp_path)
    assert sorted((row.status, row.cause, row.calls) for row in rows) == [
        (200, "upstream", 1),
        (404, "client", 1),
        (404, "client", 1),
        (404, "upstream", 1),
        (503, "gateway", 1),
        (504, "gateway", 1),
    ]


def test_a_clock_that_steps_counts_into_the_minutes_that_it_names(tmp_path):
    journal = UsageJournal(tmp_path, node="n1")

    for step in (0, 3600, -7200, -7200, 59, 0):
        count(journal, key(), now=NOW + step)
        if step == 59:
            journal.seal()

    rows = Counter()
    for row in sealed_rows(journal, tmp_path):
        rows[row.minute] += row.calls
    minute = int(NOW) // 60 * 60
    assert rows == {minute: 2, minute + 3600: 1, minute - 7200: 2, minute + 60: 1}
    assert len({batch.id for batch in batches(tmp_path)}) == 2
