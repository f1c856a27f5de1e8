"""A token service and control API on a real socket, as small as HTTP allows."""

import json
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from tests.unit.gateway.harness import make_jwt
from tests.unit.gateway.snapshots import change_between
from wire.gateway_snapshot import GatewaySnapshot


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *args) -> None:
        """Keep quiet about clients that went away."""


class AuthorityServer:
    """Answers from its attributes; `calls` has (method, path, headers, body)."""

    def __init__(self) -> None:
        self.live: dict[str, dict] = {}
        self.snapshot = GatewaySnapshot(version=1)
        self.calls: list[tuple[str, str, dict, bytes]] = []
        self.batches: list[dict] = []
        self.reports: list[dict] = []
        self.revoked: list[str] = []
        self.introspection: tuple[int, dict, bytes] | None = None
        self.snapshot_body: bytes | None = None
        self.falsifies_change = False  # the next one, once
        self.held: Counter[int] = Counter()  # how often a worker said that it holds a version
        self._before: GatewaySnapshot | None = None
        self.token_status = 200
        self._changed = threading.Condition()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        with self._changed:
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def publish(self, snapshot: GatewaySnapshot) -> None:
        with self._changed:
            self._before = self.snapshot
            self.snapshot = snapshot
            self._changed.notify_all()

    def wait_until_held(self, version: int, seconds: float = 20.0) -> bool:
        """Whether a worker asks for what comes after `version` in time: it is in force then."""
        with self._changed:
            return self._changed.wait_for(lambda: self.held[version] > 0, seconds)

    def revoke(self, digest: bytes) -> None:
        with self._changed:
            self.revoked.append(digest.hex())
            self._changed.notify_all()

    def paths(self) -> list[str]:
        return [path.partition("?")[0] for _, path, _, _ in self.calls]

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, dict, bytes]:
        parts = urlsplit(path)
        query = parse_qs(parts.query)
        if parts.path == "/.well-known/oauth-authorization-server":
            return self._json(
                issuer=self.url,
                introspection_endpoint=f"{self.url}/introspect",
                token_endpoint=f"{self.url}/token",
            )
        if parts.path == "/introspect":
            return self.introspection or self._introspect(parse_qs(body.decode())["token"][0])
        if parts.path == "/token":
            document = {"access_token": "control-token", "expires_in": 300}
            return self.token_status, {}, json.dumps(document).encode()
        if parts.path == "/oauth/revocations":
            return self._revocations(query)
        if parts.path == "/control/v1/snapshot":
            return self._snapshot(int(query["after"][0]), "digest" in query)
        if parts.path == "/control/v1/usage-batches":
            self.batches.append(json.loads(body))
            return 201, {}, b""
        if parts.path == "/control/v1/usage-reports":
            self.reports.append(json.loads(body))
            return 200, {}, b'{"reconciled_minute": 1700000040}'
        return 404, {}, b""

    def _introspect(self, token: str) -> tuple[int, dict, bytes]:
        claims = self.live.get(token)
        if claims is None:
            return 204, {}, b""
        headers = {"content-type": "application/jwt", "cache-control": "private, max-age=300"}
        return 200, headers, make_jwt(iss=self.url, **claims)

    def _revocations(self, query: dict) -> tuple[int, dict, bytes]:
        if "after" not in query:
            return self._json(cursor=len(self.revoked), digests=[], reset=False)
        after = int(query["after"][0])
        with self._changed:
            self._changed.wait_for(lambda: len(self.revoked) > after, timeout=2)
        return self._json(cursor=len(self.revoked), digests=self.revoked[after:], reset=False)

    def _snapshot(self, after: int, wants_change: bool) -> tuple[int, dict, bytes]:
        if self.snapshot_body is not None:
            return 200, {}, self.snapshot_body
        with self._changed:
            self.held[after] += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self.snapshot.version > after, timeout=2)
            before, now = self._before, self.snapshot
        if now.version <= after:
            return 204, {}, b""
        if not wants_change or before is None or before.version != after:
            return 200, {}, now.encode()
        false_head = {"digest": "0" * 32} if self.falsifies_change else {}
        self.falsifies_change = False
        return 200, {}, change_between(before, now, **false_head)

    def _json(self, **members) -> tuple[int, dict, bytes]:
        return 200, {"content-type": "application/json"}, json.dumps(members).encode()

    def _handler(server) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - `self` is the handler's
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                server.calls.append((self.command, self.path, dict(self.headers), body))
                status, headers, content = server.answer(self.command, self.path, body)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET  # noqa: N815 - the base looks for this name

            def log_message(self, *args) -> None:
                pass

        return Handler


def eventually(condition, seconds: float = 10.0) -> bool:
    """Whether `condition` comes true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False
