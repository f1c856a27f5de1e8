"""The ASGI application that granian serves: `gateway.asgi:app`. Imports no Django."""

import gc
import logging
import os
from typing import Final

from gateway import config
from gateway.dataplane.call import Receive, Scope, Send
from gateway.dataplane.pipeline import serve_call
from gateway.dataplane.usage_journal import UsageJournalUnusable
from gateway.worker import Worker

# Calls make no cycles, so the collector may look rarely; its pauses are every caller's.
_GC_THRESHOLDS: Final = (20_000, 20, 50)

_log = logging.getLogger(__name__)


class Application:
    """Lifespan starts the worker, http goes through the pipeline, websocket is refused."""

    def __init__(self) -> None:
        self._worker: Worker | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._worker is not None:
            await serve_call(self._worker.plane, scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
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
        # What is here now stays: the collector need not walk it during calls.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_GC_THRESHOLDS)
        await send({"type": "lifespan.startup.complete"})


app = Application()
