"""Threads that serve requests for an event loop, and wake it once for several answers."""

import asyncio
import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Final, Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")


class ServingThreads(Generic[Q, A]):
    """Runs `work` on threads of its own, which live as long as the process.

    Leaner than an executor: no future of two kinds for each call, and one write to the loop's pipe
    for all answers that are ready by the time it looks.
    """

    def __init__(self, work: Callable[[Q], A], *, count: int, name: str) -> None:
        self._work = work
        self._questions: Final[SimpleQueue[tuple[Q, asyncio.Future[A]]]] = SimpleQueue()
        self._answers: Final[deque[Callable[[], None]]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_awake = False
        self._count, self._name = count, name

    def ask(self, question: Q) -> "asyncio.Future[A]":
        """Return the future of what `work` makes of `question`. Call inside of the loop."""
        loop = self._loop or self._start()
        future: asyncio.Future[A] = loop.create_future()
        self._questions.put((question, future))
        return future

    def _start(self) -> asyncio.AbstractEventLoop:
        self._loop = loop = asyncio.get_running_loop()
        for number in range(self._count):
            name = f"{self._name}-{number}"
            threading.Thread(target=self._serve, args=(loop,), name=name, daemon=True).start()
        return loop

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        _yield_to_nobody()
        while True:
            question, future = self._questions.get()
            try:
                self._answers.append(partial(_settle, future, self._work(question)))
            except Exception as error:  # noqa: BLE001 - it belongs to whoever asked
                self._answers.append(partial(_fail, future, error))
            if not self._is_awake:
                self._is_awake = True
                loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        # First, so that an answer that comes in behind the loop below wakes it again.
        self._is_awake = False
        while self._answers:
            self._answers.popleft()()


def _yield_to_nobody() -> None:
    """Schedule the calling thread as batch work, where the system knows that.

    Otherwise each request that comes in pushes aside a thread that holds the interpreter's lock,
    only to wait for that lock.
    """
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _settle(future: asyncio.Future[A], answer: A) -> None:
    if not future.done():  # whoever asked may have left
        future.set_result(answer)


def _fail(future: asyncio.Future[A], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
