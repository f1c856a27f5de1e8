"""A worker process: `python -m gateway.worker_process`, started and watched by `gateway.server`."""

import asyncio
import gc
import logging
import os
import signal
import socket
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
from gateway.front.limits import Limits
from gateway.front.shared import Front
from gateway.signing_key import SigningKeyUnusable
from gateway.worker import Worker
from gateway.worker_keeper import LISTEN_VARIABLE

CANNOT_START: Final = 2  # the exit code; standard error has one sentence
# Calls make no cycles, so the collector may look rarely; its pauses are every caller's.
_GC_THRESHOLDS: Final = (20_000, 20, 50)

# After the calls: what is shipped at the end. The parent has no more patience either.
_LAST_SECONDS: Final = 10
_GOODBYE_SECONDS: Final = 1.0
_POLL_SECONDS: Final = 0.02

_log = logging.getLogger(__name__)


def main() -> int:
    """Return the exit code, after SIGTERM and the end of the calls under way."""
    logging.basicConfig(
        level=os.environ.get("TOLLGATE_LOG_LEVEL", "INFO"),
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    try:
        uvloop.run(_serve(config.load()))
    except (config.BadConfiguration, SigningKeyUnusable, UsageJournalUnusable) as error:
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
    entrances = await _open_entrances(worker, settings, context)
    watching = asyncio.create_task(watch.run()) if watch is not None else None
    _settle()
    await stop.wait()
    # Its default ends the process: nothing may keep it for ever.
    signal.alarm(int(settings.drain_seconds) + _LAST_SECONDS)
    for entrance in entrances:
        entrance.server.close()
    await asyncio.gather(*(_say_goodbye(entrance.front) for entrance in entrances))
    await worker.drain()
    for entrance in entrances:
        entrance.front.abort_all()
        entrance.keeping_time.cancel()
    await worker.cut()
    await worker.stop()
    if watching is not None:
        watching.cancel()


@dataclass(frozen=True, slots=True)
class _Entrance:
    """A port and the connections on it."""

    front: Front
    server: asyncio.Server
    keeping_time: asyncio.Task[None]


async def _open_entrances(
    worker: Worker, settings: Config, context: ssl.SSLContext | None
) -> list[_Entrance]:
    """Take calls, and questions of proxies where they are asked for."""
    plane, sockets = worker.plane, _listening_sockets(settings)
    serve = partial(serve_call, plane)
    if worker.tracing is not None:
        serve = partial(worker.tracing.tracer.serve, serve)
    limits = Limits(connections_per_address=settings.connections_per_address)
    calls = Front(plane, serve, scheme="https" if context else "http", limits=limits)
    entrances = [await _open(calls, sockets[0], context)]
    if settings.forward_auth_port:
        limits = Limits(connections_per_address=0)  # all are of the proxy
        answer = partial(serve_question, plane)
        questions = Front(plane, answer, scheme="http", limits=limits)
        entrances.append(await _open(questions, sockets[1], None))
    return entrances


async def _open(
    front: Front, listening: socket.socket, context: ssl.SSLContext | None
) -> _Entrance:
    server = await listener.listen(front, listening, context)
    return _Entrance(front, server, asyncio.create_task(front.run()))


def _listening_sockets(settings: Config) -> list[socket.socket]:
    """Return the sockets that the parent keeps for this worker and those after it."""
    given = os.environ.get(LISTEN_VARIABLE)
    if given is None:
        return listener.open_sockets(settings.addresses)
    return [socket.socket(fileno=int(number)) for number in given.split(",")]


async def _say_goodbye(front: Front) -> None:
    """Let each client end its connection by itself before idle ones are closed.

    To close at once would meet requests that are on their way, which nobody may send again.
    """
    front.say_goodbye()
    deadline = front.loop.time() + _GOODBYE_SECONDS
    while front.connections and front.loop.time() < deadline:  # noqa: ASYNC110 - once per life
        await asyncio.sleep(_POLL_SECONDS)
    front.wind_down()


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
