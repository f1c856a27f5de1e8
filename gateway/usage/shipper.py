"""Bringing sealed segments to the control API: at least once, each under the id it was born with.

Every worker has a shipper, and all of them look at one directory. The lock of a file decides who
ships it, so the segments that a dead worker left are adopted once.
"""

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final, Protocol

from gateway.usage import segment
from wire.usage_batch import UsageBatch
from wire.usage_report import UsageReport

_log = logging.getLogger("gateway.usage")
_FIRST_RETRY_SECONDS: Final = 1.0
_LAST_RETRY_SECONDS: Final = 30.0
_SEND_SECONDS: Final = 15.0
_UNFINISHED_SECONDS: Final = 60.0  # older than any worker takes to finish a new segment
# A parent settles what its killed worker left at once. Where that is gone, too, nobody does.
_SETTLED_SECONDS: Final = 10.0
_REJECTED_SUFFIX: Final = ".rejected"
_MAX_SPOOL_BYTES: Final = 256 * 1024 * 1024

_REPORT_SECONDS: Final = 10.0

Send = Callable[[UsageBatch], Awaitable[None]]
Report = Callable[[UsageReport], Awaitable[int]]


class BatchRejected(Exception):
    """Raised by `send`: the control API will never take this batch (400, 413, 422)."""


class Journal(Protocol):
    """The journal of this worker."""

    calls_lost: int

    @property
    def node(self) -> str:
        """The worker's name in its batches."""

    @property
    def path(self) -> Path | None:
        """The file that is being written."""

    def seal(self) -> None:
        """Let what was counted so far be shipped."""

    def next_in_memory(self) -> UsageBatch | None:
        """Return a batch that is in no file."""

    def drop_in_memory(self, batch: UsageBatch) -> None:
        """Forget a batch that was sent."""


class UsageShipper:
    """Ships what the journal seals and what dead workers left.

    `send` returns when the batch is stored; what it raises is retried later, except BatchRejected.
    `report` tells what is shipped and returns the last reconciled minute.
    For alerts: `send_failures`, `batches_rejected`, `segments_discarded`, `report_failures`,
    `spool_bytes`, `reconciled_minute`, `lag_seconds()`.
    """

    def __init__(
        self,
        journal: Journal,
        directory: Path,
        *,
        send: Send,
        report: Report | None = None,
        interval_seconds: float = 1.0,
        flush_seconds: float = 5.0,
        max_spool_bytes: int = _MAX_SPOOL_BYTES,
    ) -> None:
        self._journal = journal
        self._directory = directory
        self._send = send
        self._report = report
        self._interval_seconds = interval_seconds
        self._flush_seconds = flush_seconds
        self._max_spool_bytes = max_spool_bytes
        self._retry_seconds = 0.0  # 0 while sending works
        self.batches_sent = 0
        self.send_failures = 0
        self.batches_rejected = 0  # kept as files for a person to look at
        self.segments_discarded = 0  # oldest first, when the spool is full
        self.report_failures = 0
        self.spool_bytes = 0
        self.reconciled_minute = 0
        self._shipped_until = 0  # Unix time: what was counted before is stored
        self._complete_at = time.monotonic()  # when nothing of this worker was left last
        self._next_report = 0.0
        self._pending_since: dict[Path, float] = {}  # segments that wait for their parent

    def lag_seconds(self) -> float:
        """Return for how long something that this worker counted has not been shipped."""
        lag = time.monotonic() - self._complete_at
        return lag if lag > 2 * self._interval_seconds else 0.0

    async def run(self) -> None:
        """Ship every `interval_seconds`, backing off while it fails, until cancelled.

        When cancelled it ships once more, `flush_seconds` at most; what is left stays on disk.
        """
        try:
            while True:
                await asyncio.sleep(self._retry_seconds or self._interval_seconds)
                await self._ship_or_back_off()
        finally:
            await self._flush()

    async def ship(self) -> None:
        """Seal the journal and ship every segment nobody writes. Raises what `send` raised."""
        sealed_at = 0
        if not self._retry_seconds:
            # While sending fails the segment is filled up, so that files do not pile up.
            self._journal.seal()
            sealed_at = int(time.time())
        while (batch := self._journal.next_in_memory()) is not None:
            if batch.rows:
                await self._deliver(batch)
            self._journal.drop_in_memory(batch)
        for path in await asyncio.to_thread(self._list_spool):
            await self._ship_file(path)
        if sealed_at and not await asyncio.to_thread(self._has_left):
            self._shipped_until, self._complete_at = sealed_at, time.monotonic()

    def _has_left(self) -> bool:
        """Whether a sealed segment of this worker is still here: another one is shipping it."""
        own, present = self._journal.node, self._journal.path
        paths = self._directory.glob(f"*{segment.SUFFIX}")
        return any(path != present and segment.read_node(path) == own for path in paths)

    async def tell(self, *, is_leaving: bool = False) -> None:
        """Tell the control API what is shipped; a failure is counted, and tried again later."""
        if self._report is None or not self._shipped_until:
            return
        self._next_report = time.monotonic() + _REPORT_SECONDS
        report = UsageReport(
            node=self._journal.node,
            shipped_until=self._shipped_until,
            spool_bytes=self.spool_bytes,
            calls_lost=self._journal.calls_lost,
            segments_discarded=self.segments_discarded,
            is_leaving=is_leaving,
        )
        try:
            async with asyncio.timeout(_SEND_SECONDS):
                self.reconciled_minute = await self._report(report)
        except Exception as error:  # noqa: BLE001 - what is told is not what is shipped
            self.report_failures += 1
            _log.warning("the control API was not told what is shipped: %s", type(error).__name__)

    async def _ship_or_back_off(self) -> None:
        try:
            await self.ship()
        except Exception as error:  # noqa: BLE001 - counting must outlive every failure to send
            self.send_failures += 1
            if not self._retry_seconds:
                _log.warning("usage is not shipped, it is kept: %s", type(error).__name__)
            self._retry_seconds = min(
                max(self._retry_seconds * 2, _FIRST_RETRY_SECONDS), _LAST_RETRY_SECONDS
            )
            await asyncio.to_thread(self._bound_spool)
            return
        if self._retry_seconds:
            _log.warning("usage is shipped again")
        self._retry_seconds = 0.0
        if time.monotonic() >= self._next_report:
            await self.tell()

    async def _flush(self) -> None:
        self._retry_seconds = 0.0
        try:
            async with asyncio.timeout(self._flush_seconds):
                self._shipped_until = 0
                await self.ship()
                await self.tell(is_leaving=True)
        except Exception as error:  # noqa: BLE001 - the files are there for the next start
            _log.warning("the last usage is kept for the next start: %s", type(error).__name__)

    async def _ship_file(self, path: Path) -> None:
        # The lock is held until the file is deleted: two shippers never send the same file at once.
        with segment.claim(path) as descriptor:
            if descriptor is None or self._is_unsettled(path, descriptor):
                return
            try:
                batch = await asyncio.to_thread(_read, descriptor)
                if batch.rows:
                    await self._deliver(batch)
            except (segment.CorruptSegment, BatchRejected) as error:
                self.batches_rejected += 1
                _set_aside(path, error)
            else:
                _delete(path)

    def _is_unsettled(self, path: Path, descriptor: int) -> bool:
        """Whether it is still to be seen if the last call of a killed worker counts.

        After a while it does, for it was probably sent.
        """
        if not segment.is_pending(descriptor):
            self._pending_since.pop(path, None)
            return False
        now = time.monotonic()
        if now - self._pending_since.setdefault(path, now) < _SETTLED_SECONDS:
            return True
        del self._pending_since[path]
        _log.warning("usage segment %s is shipped unsettled: its last call counts", path.name)
        return False

    async def _deliver(self, batch: UsageBatch) -> None:
        async with asyncio.timeout(_SEND_SECONDS):
            await self._send(batch)
        self.batches_sent += 1

    def _list_spool(self) -> list[Path]:
        """Return the segments, oldest first (UUIDv7: names sort by time)."""
        sizes = dict(_sizes(sorted(self._directory.glob(f"*{segment.SUFFIX}"))))
        self.spool_bytes = sum(sizes.values())
        pending = self._pending_since
        self._pending_since = {path: pending[path] for path in sizes if path in pending}
        self._sweep_unfinished()
        return list(sizes)

    def _bound_spool(self) -> None:
        for path in self._list_spool():
            if self.spool_bytes <= self._max_spool_bytes:
                break
            if self._discard(path):
                self.spool_bytes -= segment.SEGMENT_BYTES

    def _discard(self, path: Path) -> bool:
        with segment.claim(path) as descriptor:
            if descriptor is None:
                return False
            path.unlink()
        self.segments_discarded += 1
        _log.error("usage segment %s was discarded: the spool is full", path.name)
        return True

    def _sweep_unfinished(self) -> None:
        """Delete what workers left that died between making a file and naming it."""
        oldest = time.time() - _UNFINISHED_SECONDS
        for path in self._directory.glob(f"*{segment.UNFINISHED_SUFFIX}"):
            with segment.claim(path) as descriptor:
                if descriptor is not None and os.fstat(descriptor).st_mtime < oldest:
                    path.unlink(missing_ok=True)


def _sizes(paths: list[Path]) -> Iterator[tuple[Path, int]]:
    for path in paths:
        try:
            yield path, path.stat().st_size
        except FileNotFoundError:
            continue  # another worker shipped it meanwhile


def _set_aside(path: Path, reason: Exception) -> None:
    path.rename(path.with_suffix(_REJECTED_SUFFIX))
    _log.error("usage segment %s was set aside: %s", path.name, reason)


def _delete(path: Path) -> None:
    path.unlink()


def _read(descriptor: int) -> UsageBatch:
    with open(descriptor, "rb", closefd=False) as file:
        return segment.read_batch(file.read())
