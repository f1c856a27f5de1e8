"""A real issuer on loopback: discovery, keys, tokens."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec


class Issuer:
    def __init__(self):
        self.keys = {}
        self.is_up = True
        self.requests = 0
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.requests += 1
                if not issuer.is_up:
                    self.send_error(500)
                    return
                document = {"keys": issuer.public_keys()}
                if self.path.startswith("/.well-known/"):
                    document = {"issuer": issuer.claimed, "jwks_uri": f"{issuer.url}/jwks"}
                data = json.dumps(document).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = self.claimed = f"http://127.0.0.1:{self.server.server_port}"
        self.add_key("first")
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def add_key(self, kid):
        self.keys[kid] = ec.generate_private_key(ec.SECP256R1())

    def public_keys(self):
        return [
            json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))
            | {"kid": kid, "alg": "ES256", "use": "sig"}
            for kid, key in self.keys.items()
        ]

    def token(self, kid="first", typ="at+jwt", key=None, without=(), **claims):
        now = int(time.time())
        content = {
            "iss": self.url,
            "sub": "client-1",
            "aud": "http://api.example/orders/v1",
            "client_id": "client-1",
            "scope": "orders:read",
            "iat": now,
            "exp": now + 60,
            "jti": "j",
        } | claims
        content = {name: value for name, value in content.items() if name not in without}
        headers = {"kid": kid, "typ": typ}
        return jwt.encode(content, key or self.keys[kid], algorithm="ES256", headers=headers)


@pytest.fixture
def issuer():
    issuer = Issuer()
    yield issuer
    issuer.server.shutdown()
    issuer.server.server_close()
