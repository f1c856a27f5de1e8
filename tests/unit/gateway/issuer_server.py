"""An issuer of others on a real socket: discovery, keys, and JWT access tokens by `issue`."""

import json
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.factories.keys import make_key, sign_raw
from tests.unit.gateway.harness import RESOURCE


class IssuerServer:
    """Answers from its attributes; `asked` has the paths."""

    def __init__(self) -> None:
        self.key = make_key(kid="one")
        self.jwks: object = self.key.jwks
        self.asked: list[str] = []
        self.status = 200
        self.delay_seconds = 0.0
        self.documents: dict[str, object] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.documents["/.well-known/openid-configuration"] = {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/jwks",
        }
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def rotate(self, kid: str = "two") -> None:
        self.key = make_key(kid=kid)
        self.jwks = self.key.jwks

    def issue(self, *, key=None, header=None, **changes) -> bytes:
        """Return a JWT access token; a change to None leaves the claim out."""
        key = key or self.key
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": RESOURCE,
            "sub": "person-1",
            "client_id": "their-client",
            "scope": "orders:read",
            "iat": now,
            "exp": now + 600,
            "jti": uuid.uuid4().hex,
        } | changes
        kept = {name: value for name, value in claims.items() if value is not None}
        fields = {"typ": "at+jwt", "kid": key.kid} | (header or {})
        return sign_raw(key, kept, **fields).encode()

    def _answer(self, path: str) -> tuple[int, bytes]:
        if self.status != 200:
            return self.status, b""
        document = self.jwks if path == "/jwks" else self.documents.get(path)
        if isinstance(document, bytes):
            return 200, document
        return (404, b"") if document is None else (200, json.dumps(document).encode())

    def _handler(server) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - `self` is the handler's
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30

            def do_GET(self) -> None:
                server.asked.append(self.path)
                if server.delay_seconds:
                    time.sleep(server.delay_seconds)
                status, content = server._answer(self.path)
                self.send_response(status)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args) -> None:
                pass

        return Handler
