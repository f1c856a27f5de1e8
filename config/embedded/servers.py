"""The two embedded servers as a pair: for `serve`, and by themselves for tests."""

import json
import subprocess
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from config.embedded import postgres, valkey
from config.embedded.postgres import ServerUnusable
from config.private_files import write_private
from config.processes import program
from config.processes.program import Program

_START_SECONDS: Final = 60
_SERVERS: Final = {"DATABASE_URL": postgres.prepare, "REDIS_URL": valkey.prepare}


@dataclass(frozen=True)
class Prepared:
    """The servers' programs, and the addresses they will have by variable."""

    programs: tuple[Program, ...]
    environ: dict[str, str]


@dataclass(frozen=True)
class EmbeddedServers:
    """Two running servers and their addresses."""

    database_url: str
    redis_url: str
    processes: dict[str, tuple[Program, subprocess.Popen[bytes]]]

    def stop(self) -> None:
        program.stop(self.processes)


def prepare(home: Path, *, without: Collection[str] = (), durable: bool = True) -> Prepared:
    """Return the programs with data under `home`, and note their addresses for other commands.

    `without` names the variables whose server is somebody else's. The addresses are in
    `<home>/run/services.json` (0600: one of them holds a password).
    """
    prepared = {
        variable: prepare_one(home, durable=durable)
        for variable, prepare_one in _SERVERS.items()
        if variable not in without
    }
    environ = {variable: url for variable, (_, url) in prepared.items()}
    write_private(home / "run" / "services.json", json.dumps(environ))
    return Prepared(tuple(one for one, _ in prepared.values()), environ)


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
    return EmbeddedServers(
        database_url=prepared.environ["DATABASE_URL"],
        redis_url=prepared.environ["REDIS_URL"],
        processes=processes,
    )
