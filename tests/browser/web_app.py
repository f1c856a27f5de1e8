"""A web application with users: the part of it that talks to the token service."""

import base64
import hashlib
import secrets
from urllib.parse import urlencode

import httpx

SCOPE = "openid email offline_access orders:read"


class WebApp:
    def __init__(self, stack, credentials, redirect_uri):
        self._client = (credentials["client_id"], credentials["client_secret"])
        self._redirect_uri = redirect_uri
        self._resource = stack.quickstart["client"]["resource"]
        self._metadata = httpx.get(f"{stack.issuer}/.well-known/openid-configuration").json()
        self._verifier = secrets.token_urlsafe(48)
        self._state = secrets.token_urlsafe(16)

    def authorization_url(self):
        digest = hashlib.sha256(self._verifier.encode()).digest()
        parameters = {
            "response_type": "code",
            "client_id": self._client[0],
            "redirect_uri": self._redirect_uri,
            "scope": SCOPE,
            "resource": self._resource,
            "state": self._state,
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        return f"{self._metadata['authorization_endpoint']}?{urlencode(parameters)}"

    def redeem(self, returned):
        """Exchange what the redirect brought for tokens."""
        assert returned["state"] == self._state
        assert returned["iss"] == self._metadata["issuer"]
        answer = self._ask(
            grant_type="authorization_code",
            code=returned["code"],
            redirect_uri=self._redirect_uri,
            code_verifier=self._verifier,
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refresh(self, token):
        return self._ask(grant_type="refresh_token", refresh_token=token)

    def read_userinfo(self, token):
        headers = {"Authorization": f"Bearer {token}"}
        answer = httpx.get(self._metadata["userinfo_endpoint"], headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def _ask(self, **form):
        return httpx.post(self._metadata["token_endpoint"], data=form, auth=self._client)
