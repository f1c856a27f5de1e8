"""Start granian with N workers, and the private admin port beside it."""

import errno
import multiprocessing
import os
import socket
from typing import Any, Final

from granian.constants import HTTPModes, Interfaces, Loops, RuntimeModes
from granian.http import HTTP1Settings, HTTP2Settings
from granian.server import Server

from gateway import counters
from gateway.admin_port import Watched, open_admin_port
from gateway.config import BadConfiguration, Config

_HEADER_READ_MILLISECONDS: Final = 10_000
# A little above what the pipeline takes, so that its own 431 and 414 are seen.
_MAX_HEAD_BYTES: Final = 64 * 1024
_DRAIN_SECONDS: Final = 20


def run(config: Config) -> None:
    """Serve until SIGTERM or SIGINT. Raises BadConfiguration (a port in use, a bad certificate)."""
    # Workers are started anew with threads running here, so they must not be forks.
    multiprocessing.set_start_method("spawn", force=True)
    _refuse_port_in_use(config.bind, config.port, "TOLLGATE_GATEWAY_PORT")
    _prepare_directories(config)
    watched = Watched(config.run_directory, config.workers, config.bind, config.port)
    try:
        close_admin_port = open_admin_port(config.admin_port, watched)
    except OSError as error:
        raise _in_use(config.admin_port, "TOLLGATE_GATEWAY_ADMIN_PORT", error) from error
    try:
        server = Server("gateway.asgi:app", **_settings(config))
    except OSError as error:  # ssl.SSLError is one
        close_admin_port()
        raise BadConfiguration(f"The TLS certificate or key cannot be used: {error}.") from error
    try:
        server.serve()
    finally:
        close_admin_port()


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


def _settings(config: Config) -> dict[str, Any]:
    return {
        "address": config.bind,
        "port": config.port,
        "interface": Interfaces.ASGI,
        "loop": Loops.uvloop,
        "workers": config.workers,
        # One thread reads and writes for the one that runs Python: measured cheapest.
        "runtime_mode": RuntimeModes.st,
        "http": HTTPModes.auto,
        "websockets": False,
        "respawn_failed_workers": True,
        "workers_kill_timeout": _DRAIN_SECONDS,
        "ssl_cert": config.certificate,
        "ssl_key": config.key,
        "ssl_protocol_min": "tls1.2",
        "http1_settings": HTTP1Settings(
            header_read_timeout=_HEADER_READ_MILLISECONDS, max_buffer_size=_MAX_HEAD_BYTES
        ),
        "http2_settings": HTTP2Settings(
            max_headers_size=_MAX_HEAD_BYTES, max_concurrent_streams=100
        ),
        "log_access": False,
    }


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
