"""The private port, on loopback in the parent process: probes and metrics, nothing else."""

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

from gateway import counters, metrics

_METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_CONNECT_SECONDS: Final = 1.0
_TEXT: Final = "text/plain; charset=utf-8"

Page = tuple[int, str, str]  # status, media type, body


@dataclass(slots=True)
class Watched:
    """What the probes look at: the counters of `workers` workers, and the address of calls."""

    directory: Path
    workers: int
    bind: str
    port: int
    is_leaving: bool = False  # calls are still answered, but no new ones are wanted


def answer(path: str, watched: Watched) -> Page:
    """Return the page at `path`, from the counters that the workers keep."""
    directory = watched.directory
    if path == "/-/healthz":
        return 200, _TEXT, "ok\n"
    if path == "/-/readyz":
        if watched.is_leaving:
            return 503, _TEXT, "not ready: the gateway is about to end\n"
        if not counters.are_ready(counters.read_living_workers(directory), watched.workers):
            return 503, _TEXT, "not ready: a worker has no snapshot yet\n"
        if not _accepts(watched.bind, watched.port):
            return 503, _TEXT, "not ready: the public port does not answer\n"
        return 200, _TEXT, "ready\n"
    if path == "/-/metrics":
        return 200, _METRICS_TYPE, metrics.render(directory)
    return 404, _TEXT, "not found\n"


def _accepts(bind: str, port: int) -> bool:
    """Whether a connection can be made: a worker has its snapshot a moment before it listens."""
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - to be recognised, not bound
    try:
        socket.create_connection((everywhere.get(bind, bind), port), _CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


def open_admin_port(port: int, watched: Watched) -> Callable[[], None]:
    """Serve the port in a thread; returns what closes it. Raises OSError (address in use)."""

    class Handler(BaseHTTPRequestHandler):
        server_version = "tollgate"
        sys_version = ""
        timeout = 5

        def do_GET(self) -> None:
            status, media_type, body = answer(self.path.partition("?")[0], watched)
            content = body.encode()
            self.send_response(status)
            self.send_header("content-type", media_type)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            """Probes are no news."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="admin-port", daemon=True).start()

    def close() -> None:
        server.shutdown()
        server.server_close()

    return close
