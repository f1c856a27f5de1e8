"""The parent process: keeps N workers running, and the private admin port beside them."""

import asyncio
import errno
import logging
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from gateway import counters, native_build
from gateway.admin_port import Watched, open_admin_port
from gateway.config import BadConfiguration, Config
from gateway.front import listener
from gateway.worker_keeper import HowToStart, WorkerKeeper

# After the calls have ended: usage is shipped, leases are given back.
_LAST_SECONDS: Final = 10.0

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
    how = HowToStart(
        command,
        environment,
        lambda: listener.open_sockets(config.addresses),
        config.usage_directory,
    )
    watched = Watched(config.run_directory, config.workers, config.bind, config.port)
    try:
        close_admin_port = open_admin_port(config.admin_port, watched)
    except OSError as error:
        raise _in_use(config.admin_port, "TOLLGATE_GATEWAY_ADMIN_PORT", error) from error
    try:
        asyncio.run(_Supervisor(config, how, watched).run())
    finally:
        close_admin_port()


class _Supervisor:
    """Starts workers, starts them anew when they die or are to be replaced, and stops them."""

    def __init__(self, config: Config, how: HowToStart, watched: Watched) -> None:
        self._config = config
        self._watched = watched
        self._stopping = asyncio.Event()  # the workers are to end
        self._leaving = asyncio.Event()  # the gateway is to end, after its grace
        self._hurry = asyncio.Event()
        self._keepers = [WorkerKeeper(how, self._stopping) for _ in range(config.workers)]
        self._rolling: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Return when every worker has ended after a signal. Raises WorkersCannotStart."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._leave)
        loop.add_signal_handler(signal.SIGHUP, self._pass_on, signal.SIGHUP)
        loop.add_signal_handler(signal.SIGUSR2, self._roll)
        tasks = [asyncio.create_task(self._keep(keeper)) for keeper in self._keepers]
        await self._leaving.wait()
        with suppress(TimeoutError):
            # Whoever spreads the load sees that we are not ready, and sends nothing new.
            await asyncio.wait_for(self._hurry.wait(), self._config.grace_seconds)
        self._stopping.set()
        self._pass_on(signal.SIGTERM)
        patience = self._config.drain_seconds + _LAST_SECONDS
        _, late = await asyncio.wait(tasks, timeout=patience)
        if late:
            _log.error("%d workers did not end in %g s and are killed", len(late), patience)
            self._pass_on(signal.SIGKILL)
        if not all(await asyncio.gather(*tasks)):
            raise WorkersCannotStart

    def _leave(self) -> None:
        if self._leaving.is_set():
            self._hurry.set()  # asked a second time
        self._watched.is_leaving = True
        self._leaving.set()

    async def _keep(self, keeper: WorkerKeeper) -> bool:
        could_start = await keeper.run()
        if not could_start:
            self._hurry.set()
            self._leaving.set()
        return could_start

    def _roll(self) -> None:
        if self._rolling is None or self._rolling.done():
            self._rolling = asyncio.get_running_loop().create_task(self._replace_all())

    async def _replace_all(self) -> None:
        """Replace the workers one after the other (SIGUSR2), so that no call fails."""
        for keeper in self._keepers:
            if not await keeper.replace(self._is_another_ready()):
                return
        _log.info("every worker was replaced")

    def _is_another_ready(self) -> Callable[[], bool]:
        before = counters.read_living_workers(self._watched.directory)
        wanted = counters.count_ready(before) + 1

        def is_ready() -> bool:
            living = counters.read_living_workers(self._watched.directory)
            return counters.count_ready(living) >= wanted

        return is_ready

    def _pass_on(self, number: signal.Signals) -> None:
        for keeper in self._keepers:
            keeper.send(number)


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
