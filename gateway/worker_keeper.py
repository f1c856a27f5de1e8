"""Keeps one worker process running on listening sockets that stay open between workers.

The parent holds the sockets: what has connected waits in their queues while one worker follows
another, instead of being reset with the worker that ends.
"""

import asyncio
import logging
import signal
import socket
import time
from asyncio.subprocess import Process
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.usage import sent_file
from gateway.usage.segment import CorruptSegment
from gateway.usage.sent_file import SentFile
from gateway.usage.settlement import settle

LISTEN_VARIABLE: Final = "TOLLGATE_GATEWAY_LISTEN_FD"
CANNOT_START: Final = 2
# A worker that dies soon after its start is started anew a little later each time.
_HEALTHY_SECONDS: Final = 10.0
_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 5.0
# Nobody waits longer in a queue that is served by none: others take the connections then.
_LONGEST_WAIT_SECONDS: Final = 0.5
_START_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.1

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HowToStart:
    """The command of a worker, and what opens its sockets."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    open_sockets: Callable[[], list[socket.socket]]
    usage_directory: Path


@dataclass(frozen=True, slots=True)
class _Worker:
    """A process, and the file that says what it has sent."""

    process: Process
    sent: SentFile


class WorkerKeeper:
    """One of the gateway's workers, whichever process that is."""

    def __init__(self, how: HowToStart, stopping: asyncio.Event) -> None:
        self._how = how
        self._stopping = stopping
        self._sockets: list[socket.socket] = []
        self._worker: _Worker | None = None
        self._successor: _Worker | None = None
        self._handed_over = asyncio.Event()

    async def run(self) -> bool:
        """Keep a worker running until all are to stop. Whether it could be started at all."""
        pause = _FIRST_PAUSE_SECONDS
        is_first = True
        try:
            while not self._stopping.is_set():
                started = time.monotonic()
                status = await self._run_one()
                if self._stopping.is_set():
                    break
                if status == CANNOT_START and is_first:
                    return False
                is_first = False
                is_well = time.monotonic() - started > _HEALTHY_SECONDS
                pause = _FIRST_PAUSE_SECONDS if is_well else min(pause * 2, _LONGEST_PAUSE_SECONDS)
                _log.error("a worker ended with %s and is started anew in %.1f s", status, pause)
                await self._rest(pause)
        finally:
            self._close_sockets()
        return True

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the processes there are."""
        for worker in (self._worker, self._successor):
            if worker is not None:
                with suppress(ProcessLookupError):
                    worker.process.send_signal(number)

    async def replace(self, is_ready: Callable[[], bool]) -> bool:
        """Start a worker beside the one that runs, and end that when `is_ready`.

        Both accept from the same socket meanwhile. Whether it was done: where the new one does not
        get ready in 30 s it is ended, and the one before stays.
        """
        before = self._worker
        if before is None or self._successor is not None:
            return False
        successor = self._successor = await self._start()
        deadline = time.monotonic() + _START_SECONDS
        while not is_ready():
            if successor.process.returncode is not None or time.monotonic() > deadline:
                if self._successor is not successor:  # the one before has ended by itself
                    return False
                self._successor = None
                with suppress(ProcessLookupError):
                    successor.process.terminate()
                await self._end_of(successor)
                _log.error("a worker was not replaced: the new one did not get ready")
                return False
            await asyncio.sleep(_POLL_SECONDS)
        if self._successor is not successor:  # handed over already
            return True
        self._handed_over.clear()
        with suppress(ProcessLookupError):
            before.process.terminate()
        await self._handed_over.wait()
        return True

    async def _run_one(self) -> int:
        """Return the exit status of a worker that had no successor."""
        worker = self._worker = await self._start()
        while True:
            if self._stopping.is_set():  # the signal came while it was being started
                self.send(signal.SIGTERM)
            status = await self._end_of(worker)
            successor, self._successor = self._successor, None
            if successor is None:
                self._worker = None
                return status
            worker = self._worker = successor
            self._handed_over.set()

    async def _start(self) -> _Worker:
        if not self._sockets:
            self._sockets = self._how.open_sockets()
        descriptors = [listening.fileno() for listening in self._sockets]
        sent = SentFile.create()
        environment = {
            **self._how.environment,
            LISTEN_VARIABLE: ",".join(map(str, descriptors)),
            sent_file.VARIABLE: f"{sent.descriptor}:{sent.identity}",
        }
        if sent.descriptor >= 0:
            descriptors.append(sent.descriptor)
        try:
            process = await asyncio.create_subprocess_exec(
                *self._how.command, env=environment, pass_fds=descriptors
            )
        except BaseException:
            sent.close()
            raise
        return _Worker(process, sent)

    async def _end_of(self, worker: _Worker) -> int:
        """Return the exit status of a worker, once nothing that it counted is in doubt."""
        status = await worker.process.wait()
        try:
            if status != 0:
                await settle(self._how.usage_directory, worker.sent)
        except (OSError, CorruptSegment) as error:
            # One call is in doubt, and counts. That must not keep the next worker from starting.
            _log.error("what a killed worker had sent is not known: %s", error)
        finally:
            worker.sent.close()
        return status

    async def _rest(self, seconds: float) -> None:
        if seconds > _LONGEST_WAIT_SECONDS:
            self._close_sockets()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    def _close_sockets(self) -> None:
        for listening in self._sockets:
            listening.close()
        self._sockets = []
