"""The last good snapshot on disk: a whole one, and the changes since, one a file.

All workers of a node share it and write the same, each in place of the others' as a whole. A change
that does not fit is passed over: the one before stays, and the control API has the rest.
"""

import logging
import os
import tempfile
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from gateway.snapshot_tables import Tables
from wire.snapshot_document import MalformedSnapshot, encode_pieces, read_head

# Then the whole is written anew. Reading so many at a start takes milliseconds.
_MOST_CHANGES: Final = 64
_LINES_A_WRITE: Final = 1000

_log = logging.getLogger(__name__)


class SnapshotStore:
    """Files below one directory; every method blocks."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "snapshot.json"
        self._changes = directory / "snapshot-changes"

    def read_whole(self) -> bytes | None:
        """Return the whole snapshot."""
        try:
            return self.path.read_bytes()
        except OSError:
            return None

    def read_changes(self, version: int) -> Iterator[bytes]:
        """Yield the changes of `version`, the one that leads furthest first."""
        found = [(until, path) for since, until, path in self._list() if since == version]
        for _, path in sorted(found, reverse=True):
            try:
                yield path.read_bytes()
            except OSError:
                _log.warning("%s cannot be read", path)

    def keep(self, document: bytes, tables: Tables) -> None:
        """Write down what made `tables`. Raises OSError."""
        try:
            since = read_head(document).since
        except MalformedSnapshot:
            since = None  # laid out otherwise, so an earlier control API's whole snapshot
        if since is None:
            save_atomically(self.path, [document])
            self._forget_changes(tables.version)
            return
        save_atomically(self._changes / f"{since}-{tables.version}.json", [document])
        if len(self._list()) > _MOST_CHANGES:
            self._write_anew(tables)

    def _write_anew(self, tables: Tables) -> None:
        lines = {kind: by_id.values() for kind, by_id in tables.lines.items()}
        pieces = encode_pieces(tables.head, lines)
        # In parts: joining it would hold the interpreter's lock, and with it all calls, for 20 ms.
        save_atomically(self.path, iter(lambda: b"".join(islice(pieces, _LINES_A_WRITE)), b""))
        self._forget_changes(tables.version)

    def _forget_changes(self, version: int) -> None:
        for _, until, path in self._list():
            if until <= version:
                path.unlink(missing_ok=True)

    def _list(self) -> list[tuple[int, int, Path]]:
        found = []
        for path in self._changes.glob("*-*.json"):
            since, _, until = path.stem.partition("-")
            if since.isdigit() and until.isdigit():
                found.append((int(since), int(until), path))
        return found


def save_atomically(path: Path, pieces: Iterable[bytes]) -> None:
    """Replace `path` as a whole, mode 0600; blocks."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
