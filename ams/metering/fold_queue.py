"""Asks the workers to fold what has just been stored."""

import logging
import threading
import time
from typing import Final

from kombu.exceptions import OperationalError

from ams.metering.tasks import fold_usage

logger = logging.getLogger(__name__)

# After a failure the broker is left alone, so that no request waits for it again and again.
_PAUSE_SECONDS: Final = 5.0


class FoldQueue:
    """Enqueues the fold; a broker that is down is logged and counted, never raised.

    The batch is stored by then, and beat folds it later.
    """

    def __init__(self) -> None:
        self.failures = 0
        self._paused_until = 0.0
        self._lock = threading.Lock()

    def enqueue(self) -> None:
        """Send the task once; a message that no worker takes within a minute expires."""
        if time.monotonic() < self._paused_until:
            return
        try:
            fold_usage.apply_async(retry=False, expires=60)
        except (OperationalError, OSError) as error:
            self._note_failure(error)

    def _note_failure(self, error: Exception) -> None:
        with self._lock:
            self.failures += 1
            self._paused_until = time.monotonic() + _PAUSE_SECONDS
        logger.warning("Usage is stored but not yet folded: the broker fails (%s).", error)


fold_queue = FoldQueue()
