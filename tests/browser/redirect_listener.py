"""Where a test's web application waits for its user to come back: a loopback redirect URI."""

import contextlib
import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

RETURN_SECONDS = 15
PATH = "/signed-in"


@contextlib.contextmanager
def listen_for_redirect():
    listener = RedirectListener()
    thread = threading.Thread(target=listener.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield listener
    finally:
        listener.server.shutdown()
        listener.server.server_close()
        thread.join()


class RedirectListener:
    def __init__(self):
        self.answers = queue.Queue()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self.answers))
        self.origin = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.uri = self.origin + PATH

    def wait(self):
        """The parameters that the browser came back with."""
        return self.answers.get(timeout=RETURN_SECONDS)


def _handler(answers):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            address = urlsplit(self.path)
            if address.path == PATH:
                answers.put(dict(parse_qsl(address.query)))
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>Signed in</title>")

        def log_message(self, *arguments):
            """Say nothing: the address holds a code."""

    return Handler
