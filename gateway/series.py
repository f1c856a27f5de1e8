"""Which series of a worker's counters is whose: one for each operation, within a bound.

The first 1,024 operations that are called have a series of their own; later ones share one with the
others of their API, and in the end with everybody. So the number of a worker's series is bounded,
whatever an installation publishes.
"""

import json
import logging
import os
from pathlib import Path
from typing import Final

from gateway.counters import MOST_SERIES, NO_SERIES, series_cells

OTHER: Final = "(other)"
_MOST_OPERATIONS: Final = 1024

Label = tuple[str, str]  # slug of the API, operation

_log = logging.getLogger(__name__)


class Series:
    """The labels of one worker's series, kept in a file for whoever reads the counters."""

    def __init__(self, path: Path | None = None) -> None:
        """`path` None: nobody else reads them. Raises OSError."""
        known = read_labels(path) if path is not None else []
        # The slot of a worker that ended: its numbers go on where they stopped.
        self._numbers: dict[Label, int] = {label: at for at, label in enumerate(known, 1)}
        self._file = None if path is None else _open(path, known)

    def claim(self, api: str, operation: str) -> int:
        """Return the first cell of the operation's series; writes a line for a new one."""
        label = (api, operation)
        if label not in self._numbers and len(self._numbers) >= _MOST_OPERATIONS:
            label = (api, OTHER)
        if label not in self._numbers and len(self._numbers) >= MOST_SERIES - 2:
            label = (OTHER, OTHER)
        number = self._numbers.get(label)
        if number is None:
            number = self._numbers[label] = len(self._numbers) + 1
            if not self._write(label):
                return NO_SERIES
        return series_cells(number)

    def _write(self, label: Label) -> bool:
        if self._file is None:
            return True
        try:
            os.write(self._file, json.dumps(label).encode() + b"\n")
        except OSError:
            # A full disk must not stop calls. Later lines would stand for the wrong series.
            _log.exception("the series of %s cannot be named: it is counted with the others", label)
            del self._numbers[label]
            return False
        return True


def read_labels(path: Path) -> list[Label]:
    """Return the labels of a worker; the first is of the series 1."""
    try:
        lines = path.read_bytes().splitlines()
        return [(str(api), str(operation)) for api, operation in map(json.loads, lines)]
    except (OSError, ValueError):
        return []


def _open(path: Path, known: list[Label]) -> int:
    """Write what is known anew, without a line that was cut off, and return the open file."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    os.write(file, b"".join(json.dumps(label).encode() + b"\n" for label in known))
    return file
