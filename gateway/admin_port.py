"""The private port, on loopback in the parent process: probes and metrics, nothing else."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

from gateway import counters

_METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_TEXT: Final = "text/plain; charset=utf-8"

Page = tuple[int, str, str]  # status, media type, body


def answer(path: str, directory: Path, workers: int) -> Page:
    """Return the page at `path`, from the counters that the workers keep in `directory`."""
    if path == "/-/healthz":
        return 200, _TEXT, "ok\n"
    if path == "/-/readyz":
        if counters.are_ready(counters.read_living_workers(directory), workers):
            return 200, _TEXT, "ready\n"
        return 503, _TEXT, "not ready: a worker has no snapshot yet\n"
    if path == "/-/metrics":
        return 200, _METRICS_TYPE, counters.render(counters.read_workers(directory))
    return 404, _TEXT, "not found\n"


def open_admin_port(port: int, directory: Path, workers: int) -> Callable[[], None]:
    """Serve the port in a thread; returns what closes it. Raises OSError (address in use)."""

    class Handler(BaseHTTPRequestHandler):
        server_version = "tollgate"
        sys_version = ""
        timeout = 5

        def do_GET(self) -> None:
            status, media_type, body = answer(self.path.partition("?")[0], directory, workers)
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
