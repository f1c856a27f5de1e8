"""Counting calls: a dictionary lookup and a few stores into memory that outlives the process.

Rows are summed per minute, key and outcome, so the volume does not depend on the request rate.
"""

import logging
from collections import deque
from pathlib import Path
from typing import Final

from gateway.usage.errors import UsageJournalUnusable
from gateway.usage.meter_key import MeterKey
from gateway.usage.segment import (
    BY_CLIENT,
    BY_GATEWAY,
    BY_UPSTREAM,
    CALLS,
    PENDING,
    PENDING_AT,
    PENDING_MARK,
    Segment,
)
from gateway.usage.sent_file import SentFile
from wire.usage_batch import UsageBatch

__all__ = [
    "BY_CLIENT",
    "BY_GATEWAY",
    "BY_UPSTREAM",
    "MeterKey",
    "UsageJournal",
    "UsageJournalUnusable",
]

_log = logging.getLogger("gateway.usage")
_MINUTE_SECONDS: Final = 60
# 16 MiB of counters wait in memory at most, while the disk takes none.
_MAX_MEMORY_SEGMENTS: Final = 64
_REQUEST_BYTES: Final = CALLS + 1
_RESPONSE_BYTES: Final = CALLS + 2
_LATENCY: Final = CALLS + 3


class UsageJournal:
    """The counters of one worker; one thread only. Adopts nothing: see `UsageShipper`.

    `memory_fallbacks` and `calls_lost` are above 0 when the disk failed: alert on both.
    """

    def __init__(self, directory: Path, *, node: str, sent_file: SentFile | None = None) -> None:
        """`sent_file` is what marks are of; the journal's from now on."""
        self._directory = directory
        self._node = node
        self.sent_file = sent_file or SentFile.create()
        self._slots: dict[tuple[MeterKey, int], int] = {}
        self._minute = 0
        self._minute_end = 0
        self._in_memory: deque[Segment] = deque()
        self.memory_fallbacks = 0  # segments that could not be made on disk
        self.calls_lost = 0  # because the memory for those was full
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._segment = Segment.create(directory, node, self.sent_file.identity)
        except OSError as error:
            raise UsageJournalUnusable(
                f"The usage journal cannot be written in {directory}: {error.strerror}. "
                "Make the directory writable, free space on its disk, or set another directory."
            ) from error
        self._words = self._segment.words

    @property
    def node(self) -> str:
        """The worker's name in its batches."""
        return self._node

    @property
    def path(self) -> Path | None:
        """The file that is being written."""
        return self._segment.path

    @property
    def is_on_disk(self) -> bool:
        """Whether what is counted now survives the process."""
        return self._segment.path is not None

    def record(
        self,
        key: MeterKey,
        outcome: int,
        *,
        request_bytes: int,
        response_bytes: int,
        latency_ms: int,
        now: float,
        mark: int = 0,
    ) -> None:
        """Count one call, finished at the Unix time `now`. Numbers are not negative.

        `outcome` is the status and one of BY_UPSTREAM, BY_CLIENT, BY_GATEWAY.

        When it returns, the call is in the file. A kill in the middle loses this call at most.
        With a `mark` the file says, too, what the row was before, until `settle` or `take_back`:
        after a kill the call counts if the file of what was sent has got to the mark.
        """
        if not self._minute <= now < self._minute_end:
            self._turn_to(now)
        at = self._slots.get((key, outcome))
        if at is None:
            at = self._open_row(key, outcome)
            if at is None:
                return
        words = self._words
        calls, latency = words[at + CALLS], words[at + _LATENCY]
        asked, answered = words[at + _REQUEST_BYTES], words[at + _RESPONSE_BYTES]
        if mark:
            buffer = self._segment.buffer
            PENDING.pack_into(buffer, PENDING_AT, at, calls, asked, answered, latency, mark)
        words[at + _REQUEST_BYTES] = asked + request_bytes
        words[at + _RESPONSE_BYTES] = answered + response_bytes
        words[at + _LATENCY] = latency + latency_ms
        words[at + CALLS] = calls + 1

    def settle(self) -> None:
        """Let what was recorded with a mark count: it is out."""
        self._words[PENDING_MARK] = 0

    def take_back(self) -> None:
        """Undo the last `record`, which had a mark and is not settled."""
        words = self._words
        if words[PENDING_MARK]:
            row, *counts, _ = PENDING.unpack_from(self._segment.buffer, PENDING_AT)
            for at, count in enumerate(counts, row + CALLS):
                words[at] = count
            words[PENDING_MARK] = 0

    def seal(self) -> None:
        """Start a new segment and let the present one be shipped; nothing when it is empty."""
        if self._segment.is_empty:
            return
        sealed, self._segment = self._segment, self._new_segment()
        self._words = self._segment.words
        self._slots.clear()
        if sealed.path is None:
            self._keep_in_memory(sealed)
        sealed.close()

    def next_in_memory(self) -> UsageBatch | None:
        """Return the oldest batch that exists in memory only; `drop_in_memory` when it is sent."""
        return self._in_memory[0].read() if self._in_memory else None

    def drop_in_memory(self, batch: UsageBatch) -> None:
        """Forget `batch`, which `next_in_memory` gave and which is sent now."""
        # It may have been given up meanwhile, and the next one is not sent yet.
        if self._in_memory and self._in_memory[0].batch_id == batch.id:
            self._in_memory.popleft()

    def close(self) -> None:
        """Give up the present segment; on disk, whoever looks for orphans ships it."""
        self._slots.clear()
        self._minute_end = 0
        self._segment.close()
        self.sent_file.close()

    def _turn_to(self, now: float) -> None:
        self._minute = int(now) // _MINUTE_SECONDS * _MINUTE_SECONDS
        self._minute_end = self._minute + _MINUTE_SECONDS
        self._slots.clear()

    def _open_row(self, key: MeterKey, outcome: int) -> int | None:
        at = self._segment.open_row(key, outcome, self._minute)
        if at is None:
            self.seal()
            at = self._segment.open_row(key, outcome, self._minute)
        if at is not None:
            self._slots[key, outcome] = at
        return at

    def _new_segment(self) -> Segment:
        try:
            segment = Segment.create(self._directory, self._node, self.sent_file.identity)
        except OSError as error:
            if self.is_on_disk:
                _log.exception("usage is counted in memory only: %s", error.strerror)
            self.memory_fallbacks += 1
            return Segment.create_in_memory(self._node)
        if not self.is_on_disk:
            _log.warning("usage is counted on disk again")
        return segment

    def _keep_in_memory(self, sealed: Segment) -> None:
        self._in_memory.append(sealed)
        if len(self._in_memory) > _MAX_MEMORY_SEGMENTS:
            lost = sum(row.calls for row in self._in_memory.popleft().read().rows)
            self.calls_lost += lost
            _log.error("%d calls will never be billed: no disk and no memory left", lost)
