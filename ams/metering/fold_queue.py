"""Asks the workers to fold what has just been stored, so that usage is seen at once."""

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Final

from ams.metering.tasks import fold_usage

logger = logging.getLogger(__name__)

_PAUSE_SECONDS: Final = 5.0
# From the queue's own thread, which knows no transaction: `enqueue` belongs into on_commit.
_SEND_TASK: Final = partial(fold_usage.apply_async, retry=False, expires=60)


class FoldQueue:
    """Sends the task from a thread of its own: a broker that hangs never holds up a gateway.

    One message serves everything that was stored until it is sent. A broker that fails is logged
    and counted (`failures`), never raised: the batch is stored, and beat folds it later.
    """

    def __init__(
        self, send: Callable[[], object] = _SEND_TASK, *, pause_seconds: float = _PAUSE_SECONDS
    ) -> None:
        self.failures = 0
        self._send = send
        self._pause_seconds = pause_seconds
        self._wanted = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def enqueue(self) -> None:
        """Have the task sent soon; call it on commit. Returns at once."""
        self._wanted.set()
        with self._lock:
            # Started late, because a server forks its workers after it has loaded the code.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="fold-queue", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        pause = threading.Event()  # never set: a sleep
        while self._wanted.wait():
            self._wanted.clear()
            try:
                self._send()
            except Exception as error:  # noqa: BLE001 - the thread must outlive every broker
                self.failures += 1
                logger.warning("Usage waits for beat to be folded: the broker fails (%s).", error)
                pause.wait(self._pause_seconds)


fold_queue = FoldQueue()
