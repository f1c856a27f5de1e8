"""A bounded number of questions at once, and a fair order for those that wait.

Clients take turns, so whoever sends thousands of junk tokens waits behind themselves: somebody else
waits for one answer at most.
"""

import asyncio
from collections import deque
from typing import Final

MOST_AT_ONCE: Final = 48  # fewer than the connections to the token service
PATIENCE_SECONDS: Final = 2.0


class QueueTooLong(Exception):
    """The turn did not come in time."""


class FairQueue:
    """Lets in `most` at once."""

    def __init__(
        self, most: int = MOST_AT_ONCE, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        self._free = most
        self._patience_seconds = patience_seconds
        # By client, in the order of their turns.
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    async def enter(self, client: str) -> None:
        """Return when it is the client's turn; `leave` gives it back. Raises QueueTooLong."""
        if self._free and not self._waiting:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(client, deque()).append(turn)
        try:
            async with asyncio.timeout(self._patience_seconds):
                await turn
        except TimeoutError as error:
            self._give_up(client, turn)
            raise QueueTooLong from error
        except asyncio.CancelledError:
            self._give_up(client, turn)
            raise

    def leave(self) -> None:
        """Let the next client in."""
        for client in list(self._waiting):
            turns = self._waiting.pop(client)
            while turns:
                turn = turns.popleft()
                if not turn.done():
                    turn.set_result(None)
                    if turns:
                        self._waiting[client] = turns  # at the end of the others now
                    return
        self._free += 1

    def _give_up(self, client: str, turn: "asyncio.Future[None]") -> None:
        if turn.done() and not turn.cancelled():
            self.leave()  # it came in the same moment
            return
        turns = self._waiting.get(client)
        if turns is not None and turn in turns:
            turns.remove(turn)
            if not turns:
                del self._waiting[client]
