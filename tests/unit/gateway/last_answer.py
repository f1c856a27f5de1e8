"""A worker that sends one answer and is killed at a step of it.

`python -m tests.unit.gateway.last_answer DIRECTORY PORT STEP ROW SIZE`: before action number STEP
(from 1) it ends by SIGKILL; where there are fewer, it ends well. Each store into the journal is an
action, too. ROW is `old`, where a call was counted before, or `new`. A dot on the standard output
says that it has sent, though perhaps not everything.
"""

import os
import select
import signal
import socket
import sys
from pathlib import Path

from gateway.dataplane import usage_journal
from gateway.dataplane.usage_journal import MeterKey, UsageJournal
from gateway.usage import segment
from gateway.usage.sent_file import SentFile

NODE = "killed"
REQUEST_BYTES, LATENCY_MS = 11, 17
NOW = 6e8
LITTLE = 4096


class Fate:
    """Kills the process before one of its actions."""

    def __init__(self, last: int) -> None:
        self.left = last

    def strike(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class Words:
    """The words of a segment, stored one at a time."""

    def __init__(self, words: memoryview, fate: Fate) -> None:
        self._words, self._fate = words, fate

    def __len__(self) -> int:
        return len(self._words)

    def __getitem__(self, at: int) -> int:
        return self._words[at]

    def __setitem__(self, at: int, value: int) -> None:
        self._fate.strike()
        self._words[at] = value


class Note:
    """Packs as struct does, which first fills with zeros and then stores in order."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self.unpack_from = segment.PENDING.unpack_from

    def pack_into(self, _buffer, at: int, *values: int) -> None:
        for number in range(len(values)):
            self._words[at // 8 + number] = 0
        for number, value in enumerate(values):
            self._words[at // 8 + number] = value


def client_key(name: str) -> MeterKey:
    return MeterKey(subscription_id="s", client_id=name, plan_id="p", api_id="a", operation_id="o")


def count(journal: UsageJournal, size: int, mark: int = 0) -> None:
    journal.record(
        client_key("c"),
        200,
        request_bytes=REQUEST_BYTES,
        response_bytes=size,
        latency_ms=LATENCY_MS,
        now=NOW,
        mark=mark,
    )


def make_answer(size: int) -> bytes:
    return bytes(range(256)) * (size // 256) + bytes(size % 256)


def main(directory: str, port: str, step: str, row: str, size: str) -> None:
    sent, fate = SentFile.inherited(), Fate(int(step))
    journal = UsageJournal(Path(directory), node=NODE, sent_file=sent)
    stream = socket.socket()
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LITTLE)
    stream.connect(("127.0.0.1", int(port)))
    stream.setblocking(False)
    if row == "old":
        count(journal, int(size))
    journal._segment.words = journal._words = words = Words(journal._words, fate)
    usage_journal.PENDING = Note(words)
    rest = make_answer(int(size))
    while rest:
        rest = send(journal, fate, stream, rest, int(size))
        os.write(1, b".")
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * int(size))
        select.select([], [stream], [])
    fate.strike()


def send(journal, fate, stream, rest, size) -> bytes:
    """Do as the front's outlet does; return what the kernel did not take."""
    fate.strike()
    mark = journal.sent_file.put(rest)
    fate.strike()
    count(journal, size, mark)
    fate.strike()
    sent = journal.sent_file.send(stream.fileno(), len(rest))
    fate.strike()
    if sent == len(rest):
        journal.settle()
    else:
        journal.take_back()
    return rest[sent:]


if __name__ == "__main__":
    main(*sys.argv[1:])
