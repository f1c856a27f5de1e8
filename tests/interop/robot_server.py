"""The consent robot for programs in other languages: they post a URL, and get where it led."""

import contextlib
import json
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextlib.contextmanager
def serve_robot(robot):
    """Yield the address that takes `{"method": ..., "arguments": [...]}`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(robot, threading.Lock()))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(robot, lock):
    methods = {"follow": robot.follow, "enter_code": robot.enter_code}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            order = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                with lock:
                    answer, status = methods[order["method"]](*order["arguments"]), 200
            except Exception:  # noqa: BLE001 - the scenario on the other side fails with it
                answer, status = traceback.format_exc(), 500
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            """Say nothing: the addresses hold codes."""

    return Handler
