"""One journal file: a header, then one row per key and minute, counted in place.

The writer stores native 8-byte words into shared memory, so what it stored before a `kill -9` is in
the file. A row becomes valid with its first word, which is written last; rows are laid one after
the other, so an unfinished one can only be the last. A living writer holds a lock on its file.
"""

import contextlib
import fcntl
import mmap
import os
import struct
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

from gateway.usage.meter_key import MeterKey, decode_key
from wire.usage_batch import Cause, UsageBatch, UsageRow, guess_cause
from wire.uuid7 import uuid7

SUFFIX: Final = ".usage"
UNFINISHED_SUFFIX: Final = ".new"
SEGMENT_BYTES: Final = 256 * 1024

_HEADER: Final = struct.Struct("=8sQ16sH")  # magic, version, batch id, length of the node
_HEADER_BYTES: Final = 512
_MAGIC: Final = b"TGUSAGE\n"
_VERSION: Final = 1
# The last words of the header: a call whose last bytes are about to be sent. It counts if the file
# of what was sent (`sent_file`) has got to the mark, else its row is what it was before. The mark
# is written last; 0 is none.
PENDING: Final = struct.Struct("=6Q")  # first word and counts of the row, mark
PENDING_AT: Final = 57 * 8
PENDING_MARK: Final = 62
_SENT_FILE: Final = 63  # the identity of that file
_MAX_NODE_BYTES: Final = PENDING_AT - _HEADER.size
# Words of a row: state, words in the row, minute, outcome, calls, request and response bytes,
# latency; then the key. The outcome is the status, and above it who caused it.
_ROW_WORDS: Final = 8
_VALID: Final = 1
CALLS: Final = 4
_CAUSE_SHIFT: Final = 16
_STATUS_MASK: Final = (1 << _CAUSE_SHIFT) - 1
# Added to a status. 0 is what an earlier release left: nobody noted it.
BY_UPSTREAM: Final = 1 << _CAUSE_SHIFT
BY_CLIENT: Final = 2 << _CAUSE_SHIFT
BY_GATEWAY: Final = 3 << _CAUSE_SHIFT
_CAUSES: Final = {1: Cause.UPSTREAM, 2: Cause.CLIENT, 3: Cause.GATEWAY}


class CorruptSegment(Exception):
    """The file is not a segment, or not one of this version."""


class Segment:
    """A segment that is being written, in a locked file or (without one) in plain memory."""

    def __init__(self, buffer: mmap.mmap | bytearray, path: Path | None, descriptor: int) -> None:
        self.path = path
        self.batch_id = uuid.UUID(bytes=_HEADER.unpack_from(buffer)[2])
        self.buffer = buffer
        self._descriptor = descriptor
        self.words = memoryview(buffer).cast("Q")
        self._next = _HEADER_BYTES // 8

    @classmethod
    def create(cls, directory: Path, node: str, sent_file: int = 0) -> Self:
        """Return an empty segment in a new file whose blocks are reserved. Raises OSError.

        `sent_file` is the identity of the file that pending calls are settled by.
        """
        header = _make_header(node, sent_file)
        batch_id = uuid.UUID(bytes=_HEADER.unpack_from(header)[2])
        path = directory / f"{batch_id}{SUFFIX}"
        unfinished = path.with_suffix(UNFINISHED_SUFFIX)
        descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Written out, because a store into a hole of a full disk kills the process (SIGBUS).
            _write_all(descriptor, header.ljust(SEGMENT_BYTES, b"\0"))
            buffer = mmap.mmap(descriptor, SEGMENT_BYTES)
            # The name of a segment appears only once its lock is held and its header is there.
            unfinished.rename(path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            os.close(descriptor)
            raise
        return cls(buffer, path, descriptor)

    @classmethod
    def create_in_memory(cls, node: str) -> Self:
        """Return an empty segment that dies with the process."""
        return cls(bytearray(_make_header(node).ljust(SEGMENT_BYTES, b"\0")), None, -1)

    @property
    def is_empty(self) -> bool:
        """Whether no row was opened."""
        return self._next == _HEADER_BYTES // 8

    def open_row(self, key: MeterKey, outcome: int, minute: int) -> int | None:
        """Return the index of the first word of a new row, all zero; None when it does not fit."""
        encoded = key.encoded
        size = _ROW_WORDS + (len(encoded) + 7) // 8
        at = self._next
        words = self.words
        if at + size > len(words):
            return None
        start = (at + _ROW_WORDS) * 8
        self.buffer[start : start + len(encoded)] = encoded
        words[at + 1] = size
        words[at + 2] = minute
        words[at + 3] = outcome
        self._next = at + size
        words[at] = _VALID
        return at

    def read(self) -> UsageBatch:
        """Return what was counted so far. Raises CorruptSegment."""
        return read_batch(bytes(self.buffer))

    def close(self) -> None:
        """Stop writing; whoever takes the lock of the file may ship it now."""
        if isinstance(self.buffer, mmap.mmap):
            self.words.release()
            self.buffer.close()
            os.close(self._descriptor)


def read_batch(data: bytes) -> UsageBatch:
    """Return the batch in the bytes of a segment; the same bytes give the same batch.

    Raises CorruptSegment.
    """
    batch_id, node = _read_header(data)
    sums: dict[tuple[bytes, int, int], list[int]] = {}
    for key, minute, outcome, counts in _rows(data):
        row = sums.setdefault((key, minute, outcome), [0, 0, 0, 0])
        row[:] = map(int.__add__, row, counts)
    try:
        rows = tuple(_row(*identity, counts) for identity, counts in sums.items() if counts[0])
    except ValueError as error:
        raise CorruptSegment(f"A row has an unreadable key: {error}") from error
    return UsageBatch(batch_id, node, rows)


def read_node(path: Path) -> str | None:
    """Return who wrote the segment; None for a file that is gone or no segment."""
    head = _head_of(path)
    return _read_header(head)[1] if head else None


def read_pending_file(path: Path) -> int | None:
    """Return which file settles the segment's pending call; None where there is no such call.

    Also None for a file that is gone or no segment. Raises OSError.
    """
    head = _head_of(path)
    if not any(head[PENDING_MARK * 8 : _SENT_FILE * 8]):
        return None
    return int.from_bytes(head[_SENT_FILE * 8 :], sys.byteorder)


def is_pending(descriptor: int) -> bool:
    """Return whether a call of the segment is neither sent nor not sent, until that is settled."""
    return any(os.pread(descriptor, 8, PENDING_MARK * 8))


def settle_pending(descriptor: int, position: int) -> bool | None:
    """Let the pending call count if `position` has got to its mark, else undo it.

    Return which of the two; None where none was pending. Done again after a failure it does the
    same. The writer of the segment is gone, and `descriptor` is locked. Raises OSError, and
    CorruptSegment for a row that is none, which is left as it is.
    """
    row, *counts, mark = PENDING.unpack(os.pread(descriptor, PENDING.size, PENDING_AT))
    if not mark:
        return None
    if position < mark:
        if not _has_row(descriptor, row):
            raise CorruptSegment(f"The pending call is of word {row}, where no row is.")
        os.pwrite(descriptor, struct.pack("=4Q", *counts), (row + CALLS) * 8)
    os.pwrite(descriptor, bytes(8), PENDING_MARK * 8)
    return bool(position >= mark)


def _has_row(descriptor: int, at: int) -> bool:
    if not _HEADER_BYTES // 8 <= at <= os.fstat(descriptor).st_size // 8 - _ROW_WORDS:
        return False
    return os.pread(descriptor, 8, at * 8) == _VALID.to_bytes(8, sys.byteorder)


def _head_of(path: Path) -> bytes:
    """Return the header; b"" for a file that is gone or no segment. Raises OSError."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER_BYTES)
        _read_header(head)
    except (FileNotFoundError, CorruptSegment):
        return b""
    return head


def _make_header(node: str, sent_file: int = 0) -> bytes:
    name = node.encode()
    if len(name) > _MAX_NODE_BYTES:
        raise ValueError(f"node: at most {_MAX_NODE_BYTES} bytes, not {len(name)}.")
    head = _HEADER.pack(_MAGIC, _VERSION, uuid7().bytes, len(name)) + name
    return head.ljust(_SENT_FILE * 8, b"\0") + sent_file.to_bytes(8, sys.byteorder)


def _read_header(data: bytes) -> tuple[uuid.UUID, str]:
    if len(data) < _HEADER_BYTES or len(data) % 8:
        raise CorruptSegment(f"The file has {len(data)} bytes.")
    magic, version, batch_id, length = _HEADER.unpack_from(data)
    if magic != _MAGIC or version != _VERSION or length > _MAX_NODE_BYTES:
        raise CorruptSegment("The file has no header of this version.")
    node = data[_HEADER.size : _HEADER.size + length].decode(errors="replace")
    return uuid.UUID(bytes=batch_id), node


def _rows(data: bytes) -> Iterator[tuple[bytes, int, int, list[int]]]:
    """Yield (encoded key, minute, outcome, counts) of each valid row, in order."""
    words = memoryview(data).cast("Q")
    at = _HEADER_BYTES // 8
    while at + _ROW_WORDS <= len(words) and words[at] == _VALID:
        size, minute, outcome, *counts = words[at + 1 : at + _ROW_WORDS]
        if size <= _ROW_WORDS or at + size > len(words):
            raise CorruptSegment(f"The row at word {at} has an impossible size.")
        key = data[(at + _ROW_WORDS) * 8 : (at + size) * 8]
        yield key, minute, outcome, counts
        at += size


def _row(key: bytes, minute: int, outcome: int, counts: list[int]) -> UsageRow:
    subscription_id, client_id, plan_id, api_id, operation_id = decode_key(key)
    status = outcome & _STATUS_MASK
    calls, request_bytes, response_bytes, latency_ms = counts
    return UsageRow(
        minute=minute,
        client_id=client_id,
        subscription_id=subscription_id,
        plan_id=plan_id,
        api_id=api_id,
        operation_id=operation_id,
        status=status,
        cause=_CAUSES.get(outcome >> _CAUSE_SHIFT) or guess_cause(status),
        calls=calls,
        request_bytes=request_bytes,
        response_bytes=response_bytes,
        latency_ms=latency_ms,
    )


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


@contextlib.contextmanager
def claim(path: Path, access: int = os.O_RDONLY) -> Iterator[int | None]:
    """Give the descriptor of a segment nobody else writes or ships now; None when someone does.

    A file that was shipped and deleted between its listing and now is None too.
    """
    try:
        descriptor = os.open(path, access | os.O_CLOEXEC)
    except FileNotFoundError:
        yield None
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield descriptor if os.fstat(descriptor).st_nlink else None
    finally:
        os.close(descriptor)
