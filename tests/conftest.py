"""One embedded PostgreSQL and Valkey for the whole run, shared by every xdist worker.

Their addresses go into the environment before Django's settings are read.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest

_OWNED = "TOLLGATE_TEST_HOME"

if _OWNED not in os.environ:
    # /tmp keeps socket paths short (a Unix socket path has at most 107 bytes).
    home = Path(tempfile.mkdtemp(prefix="tollgate-test-"))
    home.chmod(0o755)
    os.environ[_OWNED] = str(home)
    os.environ["TOLLGATE_HOME"] = str(home)
    os.environ.setdefault("TOLLGATE_SECRET_KEY", "test-secret-key-of-more-than-32-characters")
    if not (os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL")):
        from config.embedded import servers

        _servers = servers.start(home)
        os.environ["DATABASE_URL"] = _servers.database_url
        os.environ["REDIS_URL"] = _servers.redis_url

        def _stop() -> None:
            _servers.stop()
            shutil.rmtree(home, ignore_errors=True)

        atexit.register(_stop)


@pytest.fixture(scope="session", autouse=True)
def _valkey_database_of_this_worker(worker_id: str) -> None:
    """Give each xdist worker a Valkey database of its own."""
    from django.conf import settings

    number = int(worker_id.removeprefix("gw")) + 1 if worker_id != "master" else 0
    url = f"{os.environ['REDIS_URL'].rstrip('/').rsplit('/', 1)[0] if os.environ['REDIS_URL'].count('/') > 2 else os.environ['REDIS_URL'].rstrip('/')}/{number}"
    settings.REDIS_URL = settings.CELERY_BROKER_URL = url
    settings.CACHES["default"]["LOCATION"] = url


@pytest.fixture(autouse=True)
def _memory_mailbox(settings: object) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
