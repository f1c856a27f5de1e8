"""The progress of a start, for people: one line a step."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


def _is_terminal() -> bool:
    return sys.stdout.isatty()


@dataclass
class Steps:
    """Numbers the steps of a start. On a terminal a line begins before its step is done."""

    total: int
    done: int = 0
    is_terminal: bool = field(default_factory=_is_terminal)

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Show `what`, and when it is over how long it took, or that it failed."""
        self.done += 1
        line = f"[{self.done}/{self.total}] {what} … "
        if self.is_terminal:
            self._write(line)
        started = time.monotonic()
        try:
            yield
        except BaseException:
            self._write("failed\n" if self.is_terminal else f"{line}failed\n")
            raise
        took = f"ok {time.monotonic() - started:.1f} s\n"
        self._write(took if self.is_terminal else line + took)

    def skip(self, count: int) -> None:
        """Leave out steps that have nothing to do."""
        self.done += count

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()
