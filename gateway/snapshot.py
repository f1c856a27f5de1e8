"""Follow the control API's snapshots; the last good one is kept on disk.

A gateway that starts while the control plane is away serves from disk. What does not validate is
never loaded: the version before stays in force, a counter rises and the log names the member. A
change that does not fit what is held is no more than a reason to ask for everything.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Final, Protocol

from gateway.control_client import ControlFailed
from gateway.counters import Counters
from gateway.slices import Steps, collector_at_rest, run_in_slices, run_through
from gateway.snapshot_store import SnapshotStore
from gateway.snapshot_tables import NotOurBase, Tables, read_tables
from wire.snapshot_document import write_digest

_FIRST_PAUSE_SECONDS: Final = 0.2
_LONGEST_PAUSE_SECONDS: Final = 5.0

_log = logging.getLogger(__name__)


class SnapshotSource(Protocol):
    """The control API."""

    async def read_snapshot(self, after: int, digest: str, *, waits: bool) -> bytes | None:
        """Return what is after the version that is held, or None. Raises ControlFailed."""


class SnapshotFollower:
    """Keeps one worker's configuration up to date."""

    def __init__(
        self,
        *,
        source: SnapshotSource,
        store: SnapshotStore,
        apply: Callable[[Tables], Steps[None]],
        counters: Counters,
    ) -> None:
        """`apply` puts tables in force with its last step. Raises MalformedSnapshot before it."""
        self._source = source
        self._store = store
        self._apply = apply
        self._counters = counters
        self._tables = Tables()
        self._wants_all = True
        # The first question is answered at once: what is on disk may be newer than a database that
        # was restored, and the control API is right.
        self._waits = False

    def load_from_disk(self) -> bool:
        """Whether the last good snapshot was there and is in force now; blocks."""
        document = self._store.read_whole()
        if document is None or self._load_at_once(document) is None:
            return False
        while any(
            self._load_at_once(change) is not None
            for change in self._store.read_changes(self._tables.version)
        ):
            pass
        self._wants_all = False
        return True

    async def run(self) -> None:
        """Follow for ever."""
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                document = await self._ask()
            except ControlFailed as error:
                self._counters.add("snapshot_failures")
                _log.warning("no snapshot: %s", error)
                # Jitter, so that workers do not come back as one.
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - not a secret
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
                continue
            pause = _FIRST_PAUSE_SECONDS
            if document is None:
                # A server that does not wait must not be asked in a tight circle.
                await asyncio.sleep(_FIRST_PAUSE_SECONDS)
            elif not await self._take(document):
                await asyncio.sleep(_LONGEST_PAUSE_SECONDS)

    async def _ask(self) -> bytes | None:
        if self._wants_all:
            return await self._source.read_snapshot(0, "", waits=self._waits)
        held = self._tables
        document = await self._source.read_snapshot(
            held.version, write_digest(held.digest), waits=self._waits
        )
        self._waits = True
        return document

    async def _take(self, document: bytes) -> bool:
        """Whether to go on at once."""
        asked_for_all, self._wants_all = self._wants_all, False
        try:
            with collector_at_rest(len(document)):
                tables = await run_in_slices(self._load(document))
        except _REFUSALS as error:
            self._note_refusal(error)
            self._wants_all = asked_for_all or isinstance(error, NotOurBase)
            return not asked_for_all and self._wants_all
        self._waits = True
        try:
            await asyncio.to_thread(self._store.keep, document, tables)
        except OSError:
            _log.exception("the snapshot could not be kept on disk")
        return True

    def _load_at_once(self, document: bytes) -> Tables | None:
        try:
            return run_through(self._load(document))
        except _REFUSALS as error:
            self._note_refusal(error)
            return None

    def _load(self, document: bytes) -> Steps[Tables]:
        held = self._tables
        tables = yield from read_tables(document, held)
        yield from self._apply(tables)
        self._tables = tables
        self._counters.add("snapshot_loads")
        self._counters.set("snapshot_refused", 0)
        self._counters.set("snapshot_version", max(1, tables.version))
        _log.info("snapshot %d is in force, after %d", tables.version, held.version)
        return tables

    def _note_refusal(self, error: Exception) -> None:
        self._counters.add("snapshot_rejections")
        self._counters.set("snapshot_refused", 1)
        _log.error("a snapshot was not loaded, %d stays: %s", self._tables.version, error)


# A row may hold anything; what a reader of it stumbles over is no snapshot either.
_REFUSALS: Final = (ValueError, TypeError, AttributeError, KeyError)
