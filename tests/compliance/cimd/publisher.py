"""A client's web page: a document that the client may change, on a server of its own."""

import json
from contextlib import contextmanager

from tests.unit.ims.outbound.web_server import WebServer, answering

JWK = {"kty": "RSA", "n": "x" * 342, "e": "AQAB", "kid": "1", "alg": "RS256", "use": "sig"}


class Publisher:
    """Serves `document` at `url`; `None` is a page that is gone."""

    def __init__(self, path="/oauth/client.json"):
        self.server = WebServer(self._answer)
        self.url = self.server.url(path)
        self.document = {}
        self.keys = {}
        self.status = "200 OK"
        self.headers = {"content_type": "application/json"}

    @property
    def reads(self):
        return len(self.server.requests)

    def publish(self, **changes):
        """Replace the document by a plain one with `changes`; a None leaves a member out."""
        document = {
            "client_id": self.url,
            "client_name": "Agent",
            "redirect_uris": ["https://app.example/callback"],
            "token_endpoint_auth_method": "none",
        } | changes
        self.document = {name: value for name, value in document.items() if value is not None}
        return self.url

    def _answer(self, connection, request):
        body = self.keys if request.startswith("GET /jwks.json ") else self.document
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        answering(body, status=self.status, **self.headers)(connection, request)


@contextmanager
def publishing(path="/oauth/client.json"):
    publisher = Publisher(path)
    publisher.server.start()
    try:
        yield publisher
    finally:
        publisher.server.stop()


def claude(url):
    """Return a document of the shape that Claude publishes: grants that only others have."""
    return {
        "client_id": url,
        "client_name": "Claude",
        "client_uri": "https://claude.ai",
        "redirect_uris": [
            "https://claude.ai/api/mcp/auth_callback",
            "https://claude.com/api/mcp/auth_callback",
        ],
        "grant_types": [
            "authorization_code",
            "refresh_token",
            "urn:ietf:params:oauth:grant-type:jwt-bearer",
        ],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    }


def chatgpt(url):
    """Return a document of the shape that ChatGPT publishes: it proves itself with its keys."""
    return {
        "client_id": url,
        "client_uri": "https://chatgpt.com/",
        "redirect_uris": ["https://chatgpt.com/connector_platform_oauth_redirect"],
        "token_endpoint_auth_method": "private_key_jwt",
        "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "client_name": "ChatGPT",
        "logo_uri": "https://persistent.oaistatic.com/sonic/misc/openai-logo.png",
        "token_endpoint_auth_signing_alg": "RS256",
        "jwks_uri": "https://chatgpt.com/oauth/jwks.json",
    }


def native_agent(url):
    """Return a document of the shape that agents on a developer's machine publish."""
    return {
        "client_id": url,
        "client_name": "opencode",
        "client_uri": "https://opencode.ai",
        "application_type": "native",
        "redirect_uris": ["http://127.0.0.1/callback", "http://localhost/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "token_endpoint_auth_methods_supported": ["none"],
    }
