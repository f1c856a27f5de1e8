"""How a long poll learns that something may have changed; the composition root implements it."""

from typing import Protocol


class ChangeSignal(Protocol):
    """Wakes waiters of one subject. Take `mark()`, read the data, then wait `since` that mark.

    A change between the read and the wait is so never lost.
    """

    def mark(self) -> int:
        """Return the number of changes seen so far."""

    async def wait(self, since: int, timeout_seconds: float) -> None:
        """Return as soon as there is a change after `since`, or when the time is over."""
