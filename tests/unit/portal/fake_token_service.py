"""A token service behind the portal's HTTP client: the real client code, no network.

`test_token_service_contract.py` runs the same expectations against the real one.
"""

import json
import secrets
import time
from base64 import b64decode
from dataclasses import dataclass, field
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from portal.id_token import hash_access_token
from portal.ims_client import TokenService


@dataclass
class FakeTokenService:
    issuer: str
    initial_access_token: str = "tgia_initial"
    is_down: bool = False
    clients: dict = field(default_factory=dict)  # client_id -> record with secret and token
    codes: dict = field(default_factory=dict)  # code -> what was asked and who signed in
    userinfo: dict = field(default_factory=dict)  # access token -> claims
    requests: list = field(default_factory=list)
    refuse_with: dict | None = None  # an RFC 7591 error for the next registration
    metadata_changes: dict = field(default_factory=dict)

    def __post_init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.key_id = "key-1"

    def as_token_service(self):
        http = httpx.Client(transport=httpx.MockTransport(self.answer))
        return TokenService(self.issuer, http)

    # --- what a person does in the browser ---

    def authorize(self, url, *, subject="ada", email="ada@example.com", **tampered):
        """Return the authorization response's parameters for a person who signs in."""
        asked = dict(parse_qsl(urlsplit(url).query))
        code = secrets.token_urlsafe(8)
        self.codes[code] = {"asked": asked, "subject": subject, "email": email, **tampered}
        return {"code": code, "state": asked["state"], "iss": self.issuer}

    # --- HTTP ---

    def answer(self, request):
        if self.is_down:
            raise httpx.ConnectTimeout("down", request=request)
        path = request.url.path
        self.requests.append((request.method, path))
        if path.startswith("/oauth/register/"):
            return self._manage(request)
        answers = {
            "/.well-known/openid-configuration": self._metadata,
            "/oauth/jwks": self._jwks,
            "/oauth/token": self._token,
            "/oauth/userinfo": self._userinfo,
            "/oauth/register": self._register,
        }
        return answers[path](request)

    def _metadata(self, request):
        document = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/oauth/authorize",
            "token_endpoint": f"{self.issuer}/oauth/token",
            "userinfo_endpoint": f"{self.issuer}/oauth/userinfo",
            "jwks_uri": f"{self.issuer}/oauth/jwks",
            "registration_endpoint": f"{self.issuer}/oauth/register",
            "end_session_endpoint": f"{self.issuer}/oauth/logout",
            "authorization_response_iss_parameter_supported": True,
        }
        return httpx.Response(200, json=document | self.metadata_changes)

    def _jwks(self, request):
        key = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key()))
        document = {"keys": [key | {"kid": self.key_id, "alg": "ES256", "use": "sig"}]}
        return httpx.Response(200, json=document)

    def _token(self, request):
        form = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
        client_id, secret = b64decode(request.headers["Authorization"][6:]).decode().split(":")
        grant = self.codes.pop(form["code"], None)
        known = self.clients.get(client_id)
        if known is None or known["client_secret"] != secret:
            return httpx.Response(401, json={"error": "invalid_client"})
        if grant is None or grant["asked"]["redirect_uri"] != form["redirect_uri"]:
            return httpx.Response(400, json={"error": "invalid_grant"})
        access_token = secrets.token_urlsafe(8)
        self.userinfo[access_token] = {"sub": grant["subject"], "email": grant["email"]}
        self.userinfo[access_token] |= grant.get("userinfo", {})
        return httpx.Response(
            200,
            json={
                "access_token": access_token,
                "token_type": "Bearer",
                "id_token": self._sign(grant, client_id, access_token),
            },
        )

    def _sign(self, grant, client_id, access_token):
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": grant["subject"],
            "aud": client_id,
            "iat": now,
            "exp": now + 300,
            "nonce": grant["asked"]["nonce"],
            "at_hash": hash_access_token(access_token),
        }
        claims |= grant.get("claims", {})
        key = grant.get("key", self.key)
        return jwt.encode(claims, key, "ES256", headers={"kid": grant.get("kid", self.key_id)})

    def _userinfo(self, request):
        return httpx.Response(200, json=self.userinfo[_bearer(request)])

    def _register(self, request):
        if _bearer(request) != self.initial_access_token:
            return httpx.Response(401, json={"error": "invalid_token"})
        if self.refuse_with:
            return httpx.Response(400, json=self.refuse_with)
        client_id = secrets.token_urlsafe(8)
        self.clients[client_id] = json.loads(request.content) | {
            "client_id": client_id,
            "client_secret": f"tgcs_{secrets.token_urlsafe(16)}",
            "registration_client_uri": f"{self.issuer}/oauth/register/{client_id}",
            "registration_access_token": f"tgra_{secrets.token_urlsafe(16)}",
        }
        return httpx.Response(201, json=self.clients[client_id])

    def _manage(self, request):
        client_id = request.url.path.split("/")[3]
        record = self.clients.get(client_id)
        if record is None or record["registration_access_token"] != _bearer(request):
            return httpx.Response(401, json={"error": "invalid_token"})
        if request.method == "DELETE":
            del self.clients[client_id]
            return httpx.Response(204)
        if request.method == "POST":
            record["client_secret"] = f"tgcs_{secrets.token_urlsafe(16)}"
            return httpx.Response(
                200, json={"client_id": client_id, "client_secret": record["client_secret"]}
            )
        if request.method == "PUT":
            if self.refuse_with:
                return httpx.Response(400, json=self.refuse_with)
            record |= json.loads(request.content)
        shown = {name: value for name, value in record.items() if name != "client_secret"}
        return httpx.Response(200, json=shown)


def _bearer(request):
    return request.headers.get("Authorization", "").removeprefix("Bearer ")
