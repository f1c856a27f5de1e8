"""A token service over real HTTP that answers what a test tells it to."""

import base64
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

CLIENT_SECRET = "secret-of-the-ams-client"


class FakeTokenService:
    """Endpoints of discovery, token, introspection and the registry; `requests` keeps what came."""

    def __init__(self):
        self.issuer = ""
        self.issuer_in_metadata = ""
        self.tokens = {}  # token -> introspection answer
        self.resources = {}
        self.requests = []
        self.registry_status = 200
        self.introspection_status = 200

    def grant(self, token, **claims):
        self.tokens[token] = {"active": True, "exp": 4_102_444_800, **claims}

    def answer(self, method, url, headers, body):
        path = urlsplit(url).path
        self.requests.append((method, path))
        if path == "/.well-known/oauth-authorization-server":
            return 200, self._metadata()
        if path == "/oauth/protected-resources":
            return self._registry(method, url, headers, body)
        expected = base64.b64encode(f"tollgate-ams:{CLIENT_SECRET}".encode()).decode()
        if headers.get("Authorization") != f"Basic {expected}":
            return 401, {"error": "invalid_client"}
        form = parse_qs(body.decode())
        if path == "/oauth/token":
            assert form["scope"] == ["resources:write"]
            assert form["resource"] == [f"{self.issuer}/oauth/protected-resources"]
            return 200, {"access_token": "registry-token", "expires_in": 300}
        answer = self.tokens.get(form["token"][0], {"active": False})
        if form["resource"][0] != answer.get("aud"):
            answer = {"active": False}
        return self.introspection_status, answer

    def _metadata(self):
        return {
            "issuer": self.issuer_in_metadata or self.issuer,
            "token_endpoint": f"{self.issuer}/oauth/token",
            "introspection_endpoint": f"{self.issuer}/oauth/introspect",
        }

    def _registry(self, method, url, headers, body):
        if headers.get("Authorization") != "Bearer registry-token":
            return 401, {"error": "invalid_token"}
        if self.registry_status != 200:
            return self.registry_status, {}
        if method == "PUT":
            document = json.loads(body)
            self.resources[document["resource"]] = document
            return 200, document
        resource = parse_qs(urlsplit(url).query)["resource"][0]
        return (204, None) if self.resources.pop(resource, None) else (404, {})


@contextmanager
def serve_token_service():
    service = FakeTokenService()

    class Handler(BaseHTTPRequestHandler):
        def _handle(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, document = service.answer(self.command, self.path, self.headers, body)
            payload = b"" if document is None else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815 - http.server's names

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    service.issuer = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
