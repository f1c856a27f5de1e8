"""One embedded PostgreSQL and Valkey for the whole run, shared by every xdist worker.

Loaded with `-p tests.servers`, before pytest-django reads the settings.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

_OWNED = "TOLLGATE_TEST_HOME"


def _start() -> None:
    home = Path(tempfile.mkdtemp(prefix="tollgate-test-"))
    os.environ[_OWNED] = os.environ["TOLLGATE_HOME"] = str(home)
    os.environ.setdefault("TOLLGATE_SECRET_KEY", "test-secret-key-of-more-than-32-characters")
    owner, embedded = os.getpid(), None
    if not (os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL")):
        from config.embedded import servers  # noqa: PLC0415 - only where they are needed

        embedded = servers.start(home, durable=False)
        os.environ["DATABASE_URL"] = embedded.database_url
        os.environ["REDIS_URL"] = embedded.redis_url

    def stop() -> None:
        if os.getpid() == owner:
            if embedded is not None:
                embedded.stop()
            shutil.rmtree(home, ignore_errors=True)

    atexit.register(stop)


if _OWNED not in os.environ:
    _start()
# Each xdist worker has a Valkey database of its own.
_worker = os.environ.get("PYTEST_XDIST_WORKER", "")
if _worker:
    _url = urlsplit(os.environ["REDIS_URL"])
    _number = int(_worker.removeprefix("gw")) + 1
    os.environ["REDIS_URL"] = _url._replace(path=f"/{_number}").geturl()
