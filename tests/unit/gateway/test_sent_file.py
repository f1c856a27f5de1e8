import errno
import os
import random
import socket
import struct
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from gateway.usage import sent_file
from gateway.usage.sent_file import MAX_BYTES, SentFile

ROOT = Path(__file__).resolve().parents[3]
FILE_BYTES = sent_file._SIZE
LINGER_RESET = struct.pack("ii", 1, 0)


@pytest.fixture
def sent():
    own = SentFile.create()
    yield own
    own.close()


@pytest.fixture
def connect():
    """Return `connect(buffer_bytes=None) -> (ours, theirs)`: TCP, ours does not block."""
    opened = []

    def open_pair(buffer_bytes=None):
        with socket.create_server(("127.0.0.1", 0)) as listening:
            if buffer_bytes:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
            ours = socket.socket()
            if buffer_bytes:
                ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_bytes)
            ours.connect(listening.getsockname())
            theirs, _ = listening.accept()
        ours.setblocking(False)
        theirs.settimeout(10)
        opened.extend((ours, theirs))
        return ours, theirs

    yield open_pair
    for stream in opened:
        stream.close()


def read_exactly(stream, size):
    content = b""
    while len(content) < size:
        piece = stream.recv(size - len(content))
        assert piece, "the stream ended early"
        content += piece
    return content


def fill(sent, ours):
    """Send until the socket takes nothing any more; return what it took."""
    taken = b""
    while True:
        data = os.urandom(MAX_BYTES)
        sent.put(data)
        try:
            count = sent.send(ours.fileno(), len(data))
        except BlockingIOError:
            return taken
        assert count > 0
        taken += data[:count]


def test_position_is_the_mark_once_all_was_sent(sent, connect):
    ours, theirs = connect()

    for data in (b"a", b"two", b"c" * 5000):
        before = sent.position
        mark = sent.put(data)
        assert sent.position == before < mark
        assert sent.send(ours.fileno(), len(data)) == len(data)
        assert sent.position == mark

    assert read_exactly(theirs, 5004) == b"atwo" + b"c" * 5000


def test_position_is_short_of_the_mark_when_a_part_was_sent(sent, connect):
    ours, theirs = connect(buffer_bytes=4096)
    data = os.urandom(MAX_BYTES)

    mark = sent.put(data)
    count = sent.send(ours.fileno(), len(data))

    assert 0 < count < len(data)
    assert sent.position == count < mark
    assert read_exactly(theirs, count) == data[:count]


def test_position_stands_still_when_the_socket_is_full(sent, connect):
    ours, _ = connect(buffer_bytes=4096)
    fill(sent, ours)
    before = sent.position

    mark = sent.put(b"late")
    with pytest.raises(BlockingIOError):
        sent.send(ours.fileno(), 4)

    assert sent.position == before == mark - 4


def test_rest_that_is_put_again_goes_on_where_the_first_part_ended(sent, connect):
    ours, theirs = connect(buffer_bytes=4096)
    data = rest = os.urandom(MAX_BYTES)
    received, sends = b"", 0

    while rest:
        mark = sent.put(rest)
        count = sent.send(ours.fileno(), len(rest))
        assert count > 0
        assert sent.position == mark - len(rest) + count
        rest, sends = rest[count:], sends + 1
        received += read_exactly(theirs, count)

    assert sends > 1
    assert received == data


def test_position_stands_still_when_the_client_is_gone(sent, connect):
    ours, theirs = connect()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
    theirs.close()

    mark = sent.put(b"nobody")
    with pytest.raises(ConnectionError):
        sent.send(ours.fileno(), 6)

    assert sent.position == mark - 6


def test_position_stands_still_when_our_side_is_closed(sent, connect):
    ours, _ = connect()
    ours.shutdown(socket.SHUT_WR)

    mark = sent.put(b"nobody")
    with pytest.raises(BrokenPipeError):
        sent.send(ours.fileno(), 6)

    assert sent.position == mark - 6


def test_what_was_put_and_not_sent_is_forgotten(sent, connect):
    ours, theirs = connect()

    sent.put(b"the first of these")
    assert sent.put(memoryview(b"second")) == 6
    sent.send(ours.fileno(), 6)
    ours.close()

    assert theirs.recv(100) == b"second"
    assert theirs.recv(100) == b""


def test_file_begins_anew_when_it_is_full_and_not_before(sent, connect):
    ours, theirs = connect()
    marks = []

    for fill_byte in b"abc":
        marks.append(sent.put(bytes([fill_byte]) * MAX_BYTES))
        rest = MAX_BYTES
        while rest:
            count = sent.send(ours.fileno(), rest)
            assert count > 0
            assert set(read_exactly(theirs, count)) == {fill_byte}
            rest -= count
        assert sent.position == marks[-1]

    assert marks == [MAX_BYTES, FILE_BYTES, MAX_BYTES]


@pytest.mark.parametrize("buffer_bytes", [None, 4096, 100_000])
def test_bytes_that_the_client_has_not_read_survive_the_use_of_their_place(
    sent, connect, buffer_bytes
):
    ours, theirs = connect(buffer_bytes)
    chance = random.Random(7)  # noqa: S311 - the same each time
    wanted, received, times_anew = [], [], 0
    total = 8 * FILE_BYTES

    while sum(map(len, wanted)) < total:
        rest = chance.randbytes(chance.choice([1, 300, 4096, 20_000, MAX_BYTES]))
        while rest:
            before = sent.position
            sent.put(rest)
            times_anew += sent.position < before
            try:
                count = sent.send(ours.fileno(), len(rest))
            except BlockingIOError:
                # As slow as can be: it reads when nothing fits in between any more.
                received.append(theirs.recv(8192))
                continue
            assert count > 0
            wanted.append(rest[:count])
            rest = rest[count:]
    ours.close()
    while piece := theirs.recv(65536):
        received.append(piece)

    assert times_anew >= 6
    assert b"".join(received) == b"".join(wanted)


def test_writing_beside_unread_bytes_changes_none_of_them(sent, connect):
    ours, theirs = connect()
    numbers = [b"%04d" % number for number in range(2000)]

    for number in numbers:
        sent.put(b"not to be sent, and longer than a number")
        sent.put(number)
        sent.send(ours.fileno(), 4)

    assert read_exactly(theirs, 8000) == b"".join(numbers)


def test_identities_differ_and_are_words():
    files = [SentFile.create() for _ in range(20)]

    assert len({file.identity for file in files}) == 20
    assert all(0 < file.identity < 2**64 for file in files)
    for file in files:
        file.close()


def test_file_is_not_inherited_unless_it_is_passed(sent):
    assert not os.get_inheritable(sent.descriptor)


def test_closed_file_leaves_no_descriptor_and_may_be_closed_again():
    sent = SentFile.create()
    descriptor = sent.descriptor

    sent.close()
    sent.close()

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


# Without proof.


def refuse(*_):
    raise OSError(errno.EPERM, "Operation not permitted")


def assert_sends_without_proof(sent, connect):
    """Send more than the file holds to a slow reader, in parts."""
    assert sent.identity == 0
    ours, theirs = connect(buffer_bytes=4096)
    taken = b"".join(fill_and_read(sent, ours, theirs))
    assert len(taken) > 2 * FILE_BYTES
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
    theirs.close()
    sent.put(b"nobody")
    with pytest.raises(ConnectionError):
        sent.send(ours.fileno(), 6)


def fill_and_read(sent, ours, theirs):
    total = 0
    while total <= 2 * FILE_BYTES:
        taken = fill(sent, ours)
        assert read_exactly(theirs, len(taken)) == taken
        total += len(taken)
        yield taken


def test_without_memfd_it_sends_all_the_same_and_proves_nothing(connect, monkeypatch):
    monkeypatch.setattr(os, "memfd_create", refuse)
    sent = SentFile.create()

    assert_sends_without_proof(sent, connect)
    sent.close()


def test_where_the_system_knows_no_memfd_it_proves_nothing(monkeypatch):
    monkeypatch.delattr(os, "memfd_create")

    sent = SentFile.create()

    assert sent.identity == 0
    sent.close()


def copy_by_hand(to, descriptor, _offset, size):
    """Do what an emulated sendfile may do: the position stays."""
    at = os.lseek(descriptor, 0, os.SEEK_CUR)
    return os.write(to, os.pread(descriptor, size, at))


@pytest.mark.parametrize("sendfile", [copy_by_hand, refuse])
def test_where_sendfile_does_not_do_as_it_does_on_linux_nothing_is_proven(
    sendfile, connect, monkeypatch, caplog
):
    given = SentFile.create()
    monkeypatch.setenv(sent_file.VARIABLE, f"{os.dup(given.descriptor)}:{given.identity}")
    monkeypatch.setattr(os, "sendfile", sendfile)

    sent = SentFile.inherited()

    assert_sends_without_proof(sent, connect)
    assert "proves nothing" in caplog.text
    sent.close()
    given.close()


def descriptors():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_file_that_is_tried_in_vain_leaves_no_descriptor(monkeypatch):
    monkeypatch.delenv(sent_file.VARIABLE, raising=False)
    monkeypatch.setattr(os, "sendfile", refuse)
    before = descriptors()

    sent = SentFile.inherited()

    assert descriptors() == before
    sent.close()


# A process and its parent.


def test_process_without_a_parent_that_made_one_has_a_file_of_its_own(monkeypatch, connect):
    monkeypatch.delenv(sent_file.VARIABLE, raising=False)
    sent = SentFile.inherited()
    ours, theirs = connect()

    mark = sent.put(b"own")
    sent.send(ours.fileno(), 3)

    assert sent.identity > 0
    assert sent.position == mark
    assert theirs.recv(10) == b"own"
    sent.close()


def test_parent_without_memfd_gives_a_file_that_proves_nothing(monkeypatch, connect):
    monkeypatch.setenv(sent_file.VARIABLE, "-1:0")

    sent = SentFile.inherited()

    assert_sends_without_proof(sent, connect)
    sent.close()


SENDER = textwrap.dedent(
    """
    import os, signal, socket, sys
    from gateway.usage.sent_file import SentFile

    sent = SentFile.inherited()
    stream = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    size, last = int(sys.argv[2]), sys.argv[3]
    for _ in range(100):
        sent.put(b"x" * size)
        assert sent.send(stream.fileno(), size) == size
    mark = sent.put(b"last")
    if last == "sent":
        sent.send(stream.fileno(), 4)
    os.write(1, b"%d %d" % (sent.identity, mark))
    os.kill(os.getpid(), signal.SIGKILL)
    """
)


@pytest.mark.parametrize("size", [1, 5000])  # the second goes beyond the end of the file
@pytest.mark.parametrize("last", ["sent", "not sent"])
def test_parent_sees_how_far_a_killed_process_came(sent, size, last):
    environment = {**os.environ, sent_file.VARIABLE: f"{sent.descriptor}:{sent.identity}"}
    with socket.create_server(("127.0.0.1", 0)) as listening:
        arguments = [str(listening.getsockname()[1]), str(size), last]
        with subprocess.Popen(
            [sys.executable, "-c", SENDER, *arguments],
            cwd=ROOT,
            env=environment,
            pass_fds=[sent.descriptor],
            stdout=subprocess.PIPE,
        ) as sender:
            stream, _ = listening.accept()
            with stream:
                received = b"".join(iter(lambda: stream.recv(65536), b""))
            identity, mark = map(int, sender.stdout.read().split())

    assert sender.returncode == -9
    assert identity == sent.identity
    assert received.endswith(b"last") == (last == "sent")
    assert sent.position == (mark if last == "sent" else mark - 4)
