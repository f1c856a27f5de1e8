"""The ASGI application that granian serves: `gateway.asgi:app`. Imports no Django."""

import gc
import logging
import os
import sys
from collections.abc import Awaitable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from gateway import config
from gateway.dataplane.call import Receive, Scope, Send
from gateway.dataplane.pipeline import serve_call
from gateway.dataplane.usage_journal import UsageJournalUnusable
from gateway.worker import Worker

if TYPE_CHECKING:
    from gateway.dataplane.plane import Plane

# Calls make no cycles, so the collector may look rarely; its pauses are every caller's.
_GC_THRESHOLDS: Final = (20_000, 20, 50)

_log = logging.getLogger(__name__)


class Application:
    """Lifespan starts the worker, http goes through the pipeline, websocket is refused."""

    def __init__(self) -> None:
        self._worker: Worker | None = None
        self._plane: Plane | None = None

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        # No coroutine of its own: each frame between the server and an await is paid by every call.
        if scope["type"] == "http" and self._plane is not None:
            return serve_call(self._plane, scope, receive, send)
        return self._answer_others(scope["type"], receive, send)

    async def _answer_others(self, kind: str, receive: Receive, send: Send) -> None:
        if kind == "lifespan":
            await self._live(receive, send)
        elif kind == "websocket":
            await send({"type": "websocket.close", "code": 1008})

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self._start(send)
            elif message["type"] == "lifespan.shutdown":
                if self._worker is not None:
                    await self._worker.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _start(self, send: Send) -> None:
        logging.basicConfig(
            level=os.environ.get("TOLLGATE_LOG_LEVEL", "INFO"),
            format="%(asctime)s %(levelname)s %(name)s %(message)s",
        )
        try:
            worker = Worker(config.load())
            await worker.start()
        except (config.BadConfiguration, UsageJournalUnusable) as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        except Exception as error:  # noqa: BLE001 - the server must be told, whatever it is
            _log.exception("the worker cannot start")
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        self._worker = worker
        self._plane = worker.plane
        _settle()
        await send({"type": "lifespan.startup.complete"})


def _settle() -> None:
    """Prepare the process for calls; the server's threads start after this and inherit it."""
    # What is here now stays: the collector need not walk it during calls.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    # The thread that reads sockets would push the one that answers aside for each call that comes
    # in, and wait for the interpreter's lock right away. Batch threads take turns instead (Linux).
    if sys.platform == "linux":
        with suppress(OSError):  # a sandbox may forbid it: slower, but right
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


app = Application()
