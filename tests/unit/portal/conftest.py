import json

import pytest
from django.test import Client

from portal import ims_client
from portal.services.register_portal_client import register_portal_client
from tests.unit.portal.fake_token_service import FakeTokenService


@pytest.fixture
def token_service(settings, tmp_path, monkeypatch):
    """The fake token service, with the portal registered at it."""
    fake = FakeTokenService(settings.ISSUER)
    settings.SECRETS_DIR = tmp_path
    permission = {"initial_access_token": fake.initial_access_token}
    (tmp_path / "portal-initial-access-token.json").write_text(json.dumps(permission))
    service = fake.as_token_service()
    monkeypatch.setattr(ims_client, "get_token_service", lambda: service)
    register_portal_client()
    return fake


@pytest.fixture
def visitor(token_service, db):
    return Client()


@pytest.fixture
def sign_in(token_service, db):
    """Sign a person in at the portal, through the whole code flow."""

    def go(subject="ada", **answers):
        browser = Client()
        start = browser.get("/login/", {"next": "/apps/"})
        answer = token_service.authorize(
            start["Location"], subject=subject, email=f"{subject}@example.com", **answers
        )
        response = browser.get("/login/callback/", answer)
        assert response.status_code == 302, response.content
        return browser

    return go


@pytest.fixture
def developer(sign_in):
    """A browser in which a developer is signed in."""
    return sign_in()
