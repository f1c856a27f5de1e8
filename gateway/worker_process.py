"""A worker process: `python -m gateway.worker_process`, started and watched by `gateway.server`."""

import asyncio
import gc
import logging
import os
import signal
import ssl
import sys
from dataclasses import dataclass
from functools import partial
from typing import Final

import uvloop

from gateway import config
from gateway.config import Config
from gateway.dataplane.forward_auth import serve_question
from gateway.dataplane.pipeline import serve_call
from gateway.dataplane.usage_journal import UsageJournalUnusable
from gateway.front import listener
from gateway.front.certificate import CertificateWatch
from gateway.front.shared import Front
from gateway.worker import Worker

CANNOT_START: Final = 2  # the exit code; standard error has one sentence
# Calls make no cycles, so the collector may look rarely; its pauses are every caller's.
_GC_THRESHOLDS: Final = (20_000, 20, 50)

# Calls have 10 s, what is shipped at the end the rest; the parent has no more patience either.
_LAST_SECONDS: Final = 20

_log = logging.getLogger(__name__)


def main() -> int:
    """Return the exit code, after SIGTERM and the end of the calls under way."""
    logging.basicConfig(
        level=os.environ.get("TOLLGATE_LOG_LEVEL", "INFO"),
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    try:
        uvloop.run(_serve(config.load()))
    except (config.BadConfiguration, UsageJournalUnusable) as error:
        print(error, file=sys.stderr)  # noqa: T201 - for the person who started it
        return CANNOT_START
    return 0


async def _serve(settings: Config) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, stop.set)
    context = _make_context(settings)
    watch = _watch(settings, context)
    loop.add_signal_handler(signal.SIGHUP, watch.reload if watch else lambda: None)
    worker = Worker(settings)
    await worker.start()
    plane = worker.plane
    calls = Front(plane, partial(serve_call, plane), scheme="https" if context else "http")
    entrances = [await _open(calls, settings.bind, settings.port, context)]
    if settings.forward_auth_port:
        questions = Front(plane, partial(serve_question, plane), scheme="http")
        address, port = settings.forward_auth_bind, settings.forward_auth_port
        entrances.append(await _open(questions, address, port, None))
    watching = asyncio.create_task(watch.run()) if watch is not None else None
    _settle()
    await stop.wait()
    signal.alarm(_LAST_SECONDS)  # its default ends the process: nothing may keep it for ever
    for entrance in entrances:
        entrance.server.close()
        entrance.front.wind_down()
    await worker.stop()
    for entrance in entrances:
        entrance.front.abort_all()
        entrance.keeping_time.cancel()
    if watching is not None:
        watching.cancel()


@dataclass(frozen=True, slots=True)
class _Entrance:
    """A port and the connections on it."""

    front: Front
    server: asyncio.Server
    keeping_time: asyncio.Task[None]


async def _open(front: Front, address: str, port: int, context: ssl.SSLContext | None) -> _Entrance:
    listening = listener.open_socket(address, port)
    server = await listener.listen(front, listening, context)
    return _Entrance(front, server, asyncio.create_task(front.run()))


def _make_context(settings: Config) -> ssl.SSLContext | None:
    if settings.certificate is None or settings.key is None:
        return None
    try:
        return listener.make_context(settings.certificate, settings.key)
    except OSError as error:
        raise config.BadConfiguration(
            f"The TLS certificate or key cannot be used: {error}."
        ) from error


def _watch(settings: Config, context: ssl.SSLContext | None) -> CertificateWatch | None:
    if context is None or settings.certificate is None or settings.key is None:
        return None
    return CertificateWatch(context, settings.certificate, settings.key)


def _settle() -> None:
    """Prepare the process for calls."""
    # What is here now stays: the collector need not walk it during calls.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


if __name__ == "__main__":
    sys.exit(main())
