"""Whether this database was already set up by this code: then a start skips it all."""

import hashlib
import importlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from config import env
from config.private_files import write_private
from config.processes.installation import Installation

_SOURCES: Final = (
    "*/migrations/*.py",
    "*/*/migrations/*.py",
    "config/first_run/*.py",
    "config/management/commands/*.py",
    "demo/*.yaml",
    "requirements/run.txt",
)


def is_current(installation: Installation, database_url: str) -> bool:
    """Whether `write` was called for the same code, addresses and database."""
    try:
        stored = json.loads(_path(installation).read_text())
    except (OSError, ValueError):
        return False
    is_whole = all(path.exists() for path in _needed(installation))
    return is_whole and bool(stored == _describe(installation, database_url))


def write(installation: Installation, database_url: str) -> None:
    """Note that everything of the first run is done."""
    write_private(_path(installation), json.dumps(_describe(installation, database_url)))


def _path(installation: Installation) -> Path:
    return installation.home / "run" / "prepared.json"


def _needed(installation: Installation) -> Iterable[Path]:
    secrets = installation.home / "secrets"
    yield from (installation.quickstart_file, secrets / "tollgate-gateway.json")
    yield from (secrets / "tollgate-ams.json", secrets / "portal-client.json")


def _describe(installation: Installation, database_url: str) -> dict[str, str]:
    return {
        "code": _digest(_read_code()),
        "addresses": f"{installation.issuer} {installation.gateway_url} {installation.demo_port}",
        "database": _digest(_read_migrations(database_url)),
    }


def _read_code() -> Iterable[bytes]:
    for pattern in _SOURCES:
        for path in sorted(env.BASE_DIR.glob(pattern)):
            if ".venv" not in path.parts:
                yield path.name.encode()
                yield path.read_bytes()


def _read_migrations(database_url: str) -> Iterable[bytes]:
    """Yield what was applied and when: another database has other times."""
    psycopg = importlib.import_module("psycopg")
    try:
        with psycopg.connect(database_url, connect_timeout=5) as connection:
            rows = connection.execute(
                "SELECT app, name, applied::text FROM django_migrations ORDER BY id"
            ).fetchall()
    except psycopg.Error:  # no such table: nothing was ever applied
        rows = []
    for row in rows:
        yield " ".join(row).encode()


def _digest(parts: Iterable[bytes]) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8) + part)
    return whole.hexdigest()
