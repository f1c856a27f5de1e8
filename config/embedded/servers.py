"""The two embedded servers as a pair: for `serve`, and by themselves for tests."""

import json
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from config.embedded import postgres, valkey
from config.embedded.postgres import ServerUnusable
from config.processes import program
from config.processes.program import Program

_START_SECONDS: Final = 60


@dataclass(frozen=True)
class Prepared:
    """The servers' programs, and the addresses they will have."""

    programs: tuple[Program, ...]
    database_url: str
    redis_url: str


@dataclass(frozen=True)
class EmbeddedServers:
    """Two running servers and their addresses."""

    database_url: str
    redis_url: str
    processes: dict[str, tuple[Program, subprocess.Popen[bytes]]]

    def stop(self) -> None:
        program.stop(self.processes)


def prepare(home: Path, *, durable: bool = True) -> Prepared:
    """Return both programs with data under `home`, and note their addresses for other commands.

    The addresses are in `<home>/run/services.json` (0600: one of them holds a password).
    """
    run = home / "run"
    run.mkdir(parents=True, exist_ok=True)
    database, database_url = postgres.prepare(home, durable=durable)
    broker, redis_url = valkey.prepare(home, durable=durable)
    _write_private(
        run / "services.json",
        json.dumps({"DATABASE_URL": database_url, "REDIS_URL": redis_url}),
    )
    return Prepared((database, broker), database_url, redis_url)


def start(home: Path, *, durable: bool = True) -> EmbeddedServers:
    """Start PostgreSQL 18 and Valkey 9 with their data under `home`; blocks until both answer."""
    prepared = prepare(home, durable=durable)
    processes = {p.name: (p, program.start(p, home / "log")) for p in prepared.programs}
    deadline = time.monotonic() + _START_SECONDS
    for part, process in processes.values():
        while not part.is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                program.stop(processes)
                raise ServerUnusable(f"{part.name} did not start: read {home}/log/{part.name}.log.")
            time.sleep(0.02)
    return EmbeddedServers(prepared.database_url, prepared.redis_url, processes)


def _write_private(path: Path, content: str) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
