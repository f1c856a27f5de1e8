"""The roles of the one image, and the demo's upstream, as programs."""

import http.client
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from config import env
from config.processes.installation import Installation
from config.processes.program import Program

ROLES: Final = ("web", "gateway", "worker", "beat")
_HEALTHY: Final = 200


def build_role(role: str, installation: Installation) -> Program:
    """Return the program of one of ROLES, or of `demo`."""
    return _BUILDERS[role](installation)


def _web(installation: Installation) -> Program:
    return Program(
        name="web",
        argv=(
            *_python("granian", "--interface", "asgi", "--loop", "uvloop", "--no-ws"),
            *("--host", env.text("TOLLGATE_WEB_BIND", "127.0.0.1")),
            *("--port", str(installation.web_port)),
            *("--workers", str(env.integer("TOLLGATE_WEB_WORKERS", 1))),
            *("--respawn-failed-workers", "--workers-kill-timeout", "10"),
            *("--log-level", "warning", "config.asgi:application"),
        ),
        is_ready=lambda: _answers(installation.web_port, "/-/readyz"),
    )


def _gateway(installation: Installation) -> Program:
    return Program(
        name="gateway",
        argv=_python("gateway"),
        environ={"TOLLGATE_GATEWAY_URL": installation.gateway_url},
        is_ready=lambda: _answers(installation.gateway_admin_port, "/-/readyz"),
        stop_seconds=30,  # calls under way are finished
    )


def _worker(installation: Installation) -> Program:
    # Threads: the tasks wait for PostgreSQL and for HTTP, and one process starts sooner and
    # takes a third of the memory of three.
    return _celery(
        installation,
        "worker",
        *("--pool", "threads", "--concurrency", str(env.integer("TOLLGATE_WORKER_THREADS", 2))),
        *("--without-gossip", "--without-mingle", "--hostname", "tollgate@%h"),
    )


def _beat(installation: Installation) -> Program:
    schedule = installation.home / "run" / "beat-schedule"
    return _celery(installation, "beat", "--schedule", str(schedule), "--pidfile", "")


def _demo(installation: Installation) -> Program:
    port = str(installation.demo_port)
    return Program(
        name="demo",
        argv=_python("demo", "--port", port, "--issuer", installation.issuer),
        is_ready=lambda: _listens(installation.demo_port),
        stop_seconds=5,
    )


def _celery(installation: Installation, command: str, *options: str) -> Program:
    ready = installation.home / "run" / f"{command}.ready"
    return Program(
        name=command,
        argv=_python("celery", "-A", "config.celery", command, "-l", "WARNING", *options),
        # The system checks load every view; `prepare` or the web role ran them already.
        environ={"TOLLGATE_READY_FILE": str(ready), "CELERY_SKIP_CHECKS": "1"},
        is_ready=ready.exists,
        before_start=lambda: _forget(ready),
    )


_BUILDERS: Final[dict[str, Callable[[Installation], Program]]] = {
    "web": _web,
    "gateway": _gateway,
    "worker": _worker,
    "beat": _beat,
    "demo": _demo,
}


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)


def _forget(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)


def _answers(port: int, path: str) -> bool:
    return _ask(port, path) == _HEALTHY


def _listens(port: int) -> bool:
    return _ask(port, "/") > 0


def _ask(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
