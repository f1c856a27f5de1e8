"""What a killed worker was about to send: did it? Its parent settles that, and nobody else can.

The worker's segment says which call it was; the file of what was sent, which the parent holds, too,
says how far it came (ADR-0007).
"""

import asyncio
import logging
import os
import time
from pathlib import Path
from typing import Final

from gateway.usage import segment
from gateway.usage.sent_file import SentFile

# Others lock a segment for as long as they look whether it is settled.
_PATIENCE_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.01

_log = logging.getLogger("gateway.usage")


async def settle(directory: Path, sent: SentFile) -> None:
    """Settle the pending call of the process that sent by `sent` and is gone."""
    if not sent.identity:  # it proves nothing
        return
    deadline = time.monotonic() + _PATIENCE_SECONDS
    for path in await asyncio.to_thread(_of_the_dead, directory, sent.identity):
        while not _settle_file(path, sent.position):
            if time.monotonic() > deadline:
                _log.error("usage segment %s could not be settled: it is locked", path.name)
                break
            await asyncio.sleep(_POLL_SECONDS)


def _of_the_dead(directory: Path, identity: int) -> list[Path]:
    found = directory.glob(f"*{segment.SUFFIX}")
    return [path for path in found if segment.read_pending_file(path) == identity]


def _settle_file(path: Path, position: int) -> bool:
    """Return whether the segment is settled, or gone."""
    with segment.claim(path, os.O_RDWR) as descriptor:
        if descriptor is None:
            return not path.exists()
        was_pending = segment.settle_pending(descriptor, position)
    if was_pending is not None:
        _log.warning("a killed worker had%s sent its last answer", "" if was_pending else " not")
    return True
