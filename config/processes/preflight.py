"""What must hold before a start changes anything: each failure is one sentence with its mend."""

import contextlib
import fcntl
import importlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from config.processes.installation import Installation

# In every data folder: `make reset` wipes only a folder that holds it.
MARKER: Final = ".tollgate-home"


class NotReady(Exception):
    """Something outside Tollgate must change first; the message says what."""


def check_ports(installation: Installation) -> None:
    """Raise NotReady when a port is taken, or two of ours are the same."""
    seen: dict[int, str] = {}
    for variable, port in installation.ports.items():
        if port in seen:
            raise NotReady(f"{seen[port]} and {variable} are both {port}. Give them two ports.")
        seen[port] = variable
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except PermissionError as error:
                raise NotReady(
                    f"Port {port} needs more rights than this user has. Set {variable}."
                ) from error
            except OSError as error:
                raise NotReady(
                    f"Port {port} is in use. Stop the other program or set {variable}."
                ) from error


def check_home(home: Path) -> None:
    """Make the data folder where it is missing. Raises NotReady when it cannot be written."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        (home / MARKER).touch()
        (home / "run").mkdir(exist_ok=True)
        (home / "secrets").mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise _unwritable(home, error) from error


def _unwritable(home: Path, error: OSError) -> NotReady:
    return NotReady(
        f"The data folder {home} cannot be written ({error.strerror}). "
        "Give this user the right to write there, or set TOLLGATE_HOME to another folder."
    )


@contextlib.contextmanager
def hold(home: Path) -> Iterator[None]:
    """Keep other `serve` processes and `make reset` away. Raises NotReady when one is there.

    The kernel drops the lock with the process, however that ends.
    """
    try:
        descriptor = os.open(home / "run" / "serve.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise _unwritable(home, error) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise NotReady(
                f"Tollgate is running with the data in {home} already. "
                "Stop it first, or set TOLLGATE_HOME to another folder."
            ) from error
        yield
    finally:
        os.close(descriptor)


def check_database(url: str) -> None:
    """Raise NotReady when the PostgreSQL at `url` does not answer."""
    psycopg = importlib.import_module("psycopg")
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.Error as error:
        # Indented lines are libpq's guesses; the line before them says what happened.
        said = [line for line in str(error).splitlines() if line and not line[0].isspace()]
        reason = (said or ["it gave no reason"])[-1].rstrip(".") + "."
        raise NotReady(
            f"DATABASE_URL names a PostgreSQL that cannot be used: {reason} "
            "Start it, mend the address, or unset DATABASE_URL to use the embedded one."
        ) from error


def check_redis(url: str) -> None:
    """Raise NotReady when the Valkey or Redis at `url` does not answer."""
    redis = importlib.import_module("redis")
    try:
        with redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5) as client:
            client.ping()
    except (redis.RedisError, ValueError, OSError) as error:
        raise NotReady(
            f"REDIS_URL names a Valkey or Redis that cannot be used: {error}. "
            "Start it, mend the address, or unset REDIS_URL to use the embedded one."
        ) from error
