import time

import pytest

from ams.errors import TokenServiceUnavailable
from ams.http import bearer

ISSUER = "https://id.example"
RESOURCE = f"{ISSUER}/control"


class TokenService:
    """Stands where `IMSClient` does; knows tokens by name and counts the questions."""

    def __init__(self):
        self.scopes = {"gateway-token": "gateway", "manager-token": "manage"}
        self.is_down = False
        self.questions = []

    def introspect(self, token, *, resource):
        self.questions.append((token, resource))
        if self.is_down:
            raise TokenServiceUnavailable("The token service does not answer.")
        if token not in self.scopes:
            return {"active": False}
        return {
            "active": True,
            "scope": self.scopes[token],
            "client_id": "tollgate-gateway",
            "sub": "tollgate-gateway",
            "aud": resource,
            "exp": int(time.time()) + 600,
        }


@pytest.fixture
def token_service(monkeypatch, settings):
    settings.ISSUER = ISSUER
    service = TokenService()
    monkeypatch.setattr(bearer, "get_ims_client", lambda: service)
    return service
