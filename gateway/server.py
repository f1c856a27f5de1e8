"""The parent process: keeps N workers running, and the private admin port beside them."""

import asyncio
import errno
import logging
import os
import signal
import socket
import time
from contextlib import suppress
from typing import Final

from gateway import counters, native_build
from gateway.admin_port import Watched, open_admin_port
from gateway.config import BadConfiguration, Config
from gateway.front import listener

_DRAIN_SECONDS: Final = 20
_CANNOT_START: Final = 2
# A worker that dies soon after its start is started anew a little later each time.
_HEALTHY_SECONDS: Final = 10.0
_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 5.0

_log = logging.getLogger(__name__)


class WorkersCannotStart(BadConfiguration):
    """A worker has said on standard error why it cannot start."""


def run(config: Config) -> None:
    """Serve until SIGTERM or SIGINT. Raises BadConfiguration (a port in use, a bad certificate)."""
    _check_certificate(config)
    _refuse_port_in_use(config.bind, config.port, "TOLLGATE_GATEWAY_PORT")
    if config.forward_auth_port:
        _refuse_port_in_use(
            config.forward_auth_bind,
            config.forward_auth_port,
            "TOLLGATE_GATEWAY_FORWARD_AUTH_PORT",
        )
    _prepare_directories(config)
    command, environment = _worker_command(config)
    watched = Watched(config.run_directory, config.workers, config.bind, config.port)
    try:
        close_admin_port = open_admin_port(config.admin_port, watched)
    except OSError as error:
        raise _in_use(config.admin_port, "TOLLGATE_GATEWAY_ADMIN_PORT", error) from error
    try:
        asyncio.run(_Supervisor(config.workers, command, environment).run())
    finally:
        close_admin_port()


class _Supervisor:
    """Starts workers, starts them anew when they die, and stops them."""

    def __init__(self, workers: int, command: tuple[str, ...], environment: dict[str, str]) -> None:
        self._workers = workers
        self._command = command
        self._environment = environment
        self._stopping = asyncio.Event()
        self._processes: set[asyncio.subprocess.Process] = set()
        self._has_failed = False

    async def run(self) -> None:
        """Return when every worker has ended after a signal. Raises WorkersCannotStart."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._pass_on, signal.SIGHUP)
        keepers = [asyncio.create_task(self._keep_running()) for _ in range(self._workers)]
        await self._stopping.wait()
        self._pass_on(signal.SIGTERM)
        _, late = await asyncio.wait(keepers, timeout=_DRAIN_SECONDS)
        if late:
            _log.error("%d workers did not end in %d s and are killed", len(late), _DRAIN_SECONDS)
            self._pass_on(signal.SIGKILL)
        await asyncio.gather(*keepers)
        if self._has_failed:
            raise WorkersCannotStart

    async def _keep_running(self) -> None:
        """Keep one worker running until all are to stop."""
        pause = _FIRST_PAUSE_SECONDS
        is_first = True
        while not self._stopping.is_set():
            started = time.monotonic()
            status = await self._run_worker()
            if self._stopping.is_set():
                return
            if status == _CANNOT_START and is_first:
                self._has_failed = True
                self._stopping.set()
                return
            is_first = False
            lived = time.monotonic() - started
            pause = (
                _FIRST_PAUSE_SECONDS
                if lived > _HEALTHY_SECONDS
                else min(pause * 2, _LONGEST_PAUSE_SECONDS)
            )
            _log.error("a worker ended with %s and is started anew in %.1f s", status, pause)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    async def _run_worker(self) -> int:
        process = await asyncio.create_subprocess_exec(*self._command, env=self._environment)
        self._processes.add(process)
        if self._stopping.is_set():  # the signal came while it was being started
            process.terminate()
        try:
            return await process.wait()
        finally:
            self._processes.discard(process)

    def _pass_on(self, number: signal.Signals) -> None:
        for process in self._processes:
            with suppress(ProcessLookupError):
                process.send_signal(number)


def _worker_command(config: Config) -> tuple[tuple[str, ...], dict[str, str]]:
    build = native_build.find_build() if config.native != "off" else None
    if build is None and config.native == "on":
        raise BadConfiguration(
            "TOLLGATE_GATEWAY_NATIVE is on and the gateway's modules are not compiled, or others "
            "were: run `make native`, or set it to auto."
        )
    _log.info("workers run %s", f"the modules compiled in {build}" if build else "plain Python")
    return native_build.worker_command(build)


def _check_certificate(config: Config) -> None:
    if config.certificate is None or config.key is None:
        return
    try:
        listener.make_context(config.certificate, config.key)
    except OSError as error:  # ssl.SSLError is one
        raise BadConfiguration(f"The TLS certificate or key cannot be used: {error}.") from error


def _prepare_directories(config: Config) -> None:
    try:
        for directory in (config.directory, config.run_directory):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(directory / ".writable", os.O_CREAT | os.O_WRONLY, 0o600))
        counters.remove_abandoned(config.run_directory)
    except OSError as error:
        raise BadConfiguration(
            f"The gateway cannot write to {error.filename} ({error.strerror}): "
            "make it writable, or set TOLLGATE_HOME."
        ) from error


def _refuse_port_in_use(address: str, port: int, variable: str) -> None:
    # The workers share the port (SO_REUSEPORT), so a second gateway would get half of the calls.
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            raise _in_use(port, variable, error) from error


def _in_use(port: int, variable: str, error: OSError) -> BadConfiguration:
    if error.errno == errno.EADDRINUSE:
        return BadConfiguration(f"Port {port} is in use: stop what uses it, or set {variable}.")
    return BadConfiguration(f"Port {port} cannot be opened ({error.strerror}): set {variable}.")
