"""Long work of the event loop, done in slices between which calls go on.

A thread would not help: it holds the interpreter's lock, and each time the loop has waited for I/O
it would have to wait for the lock as well, up to 5 ms.
"""

import asyncio
import gc
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

_MANY_BYTES: Final = 1_000_000

T = TypeVar("T")

Steps = Generator[None, None, T]

SLICE_SECONDS: Final = 0.001
# Between slices calls have as much time again: a load takes twice as long, and calls go on.
_PAUSE_SECONDS: Final = 0.001


def run_through(steps: Steps[T]) -> T:
    """Return the result of `steps`, without a pause."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result


async def run_in_slices(steps: Steps[T]) -> T:
    """Return the result of `steps`, which yield where they may be interrupted."""
    ends = time.perf_counter() + SLICE_SECONDS
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
        if time.perf_counter() >= ends:
            await asyncio.sleep(_PAUSE_SECONDS)
            ends = time.perf_counter() + SLICE_SECONDS


@contextmanager
def collector_at_rest(size_bytes: int) -> Iterator[None]:
    """Let the collector of cycles rest while many objects are made that stay.

    It would walk all of them again and again, 30 ms each time, and calls would wait. Afterwards
    they are out of its sight. Small documents are not worth it.
    """
    if size_bytes < _MANY_BYTES or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()
