"""Follow the control API's snapshots; the last good one is kept on disk.

A gateway that starts while the control plane is away serves from disk. A snapshot that does not
validate is never loaded: the one before stays in force, and a counter says so.
"""

import asyncio
import json
import logging
import os
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from gateway.control_client import ControlFailed
from gateway.counters import Counters
from wire.gateway_snapshot import GatewaySnapshot, parse_snapshot
from wire.snapshot_document import MalformedSnapshot

_FIRST_PAUSE_SECONDS: Final = 0.2
_LONGEST_PAUSE_SECONDS: Final = 5.0

_log = logging.getLogger(__name__)


class SnapshotSource(Protocol):
    """The control API."""

    async def read_snapshot(self, after: int) -> bytes | None:
        """Return the document above `after`, or None. Raises ControlFailed."""


class SnapshotFollower:
    """Keeps one worker's configuration up to date."""

    def __init__(
        self,
        *,
        source: SnapshotSource,
        path: Path,
        apply: Callable[[GatewaySnapshot], None],
        counters: Counters,
    ) -> None:
        self._source = source
        self._path = path
        self._apply = apply
        self._counters = counters
        # 0 until the control API has answered: what is on disk may be newer than a database
        # that was restored, and the control API is right.
        self._seen = 0

    def load_from_disk(self) -> bool:
        """Whether the last good snapshot was there and is in force now."""
        try:
            document = self._path.read_bytes()
        except OSError:
            return False
        return self._load(document) is not None

    async def run(self) -> None:
        """Follow for ever."""
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                document = await self._source.read_snapshot(self._seen)
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

    async def _take(self, document: bytes) -> bool:
        version = self._load(document)
        if version is None:
            return False
        self._seen = version
        try:
            await asyncio.to_thread(save_atomically, self._path, document)
        except OSError:
            _log.exception("the snapshot could not be kept on disk")
        return True

    def _load(self, document: bytes) -> int | None:
        """Return the version that is in force now, or None when the document is no good."""
        try:
            snapshot = parse_snapshot(json.loads(document))
            self._apply(snapshot)
        except (MalformedSnapshot, ValueError, TypeError, AttributeError) as error:
            self._counters.add("snapshot_rejections")
            _log.error("a snapshot was not loaded: %s", error)
            return None
        self._counters.add("snapshot_loads")
        self._counters.set("snapshot_version", max(1, snapshot.version))
        _log.info("snapshot %d is in force", snapshot.version)
        return snapshot.version


def save_atomically(path: Path, content: bytes) -> None:
    """Replace `path` as a whole, mode 0600; blocks."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
