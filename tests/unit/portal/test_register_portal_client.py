import json
import stat

import pytest
from django.conf import settings

from portal.errors import PortalNotRegistered, TokenServiceUnavailable
from portal.own_client import client_file
from portal.services.register_portal_client import register_portal_client


def test_portal_registers_like_any_application(token_service):
    client = register_portal_client()

    record = token_service.clients[client.client_id]
    assert record["client_name"] == "Tollgate developer portal"
    assert record["redirect_uris"] == [f"{settings.ISSUER}/login/callback/"]
    assert record["post_logout_redirect_uris"] == [f"{settings.ISSUER}/"]
    assert record["grant_types"] == ["authorization_code"]
    assert record["scope"] == "openid profile email"


def test_only_the_owner_can_read_the_credentials(token_service):
    assert stat.S_IMODE(client_file().stat().st_mode) == 0o600


def test_working_registration_is_kept(token_service):
    again = register_portal_client()

    assert list(token_service.clients) == [again.client_id]


def test_registration_that_the_token_service_forgot_is_made_anew(token_service):
    old = register_portal_client()
    token_service.clients.clear()

    new = register_portal_client()

    assert new.client_id != old.client_id
    assert new.client_id in token_service.clients


def test_registration_for_another_address_is_made_anew(token_service):
    document = json.loads(client_file().read_text())
    document["redirect_uris"] = ["https://old.example/login/callback/"]
    client_file().write_text(json.dumps(document))

    assert register_portal_client().client_id != document["client_id"]


def test_silent_token_service_leaves_the_registration_alone(token_service):
    before = client_file().read_text()
    token_service.is_down = True

    with pytest.raises(TokenServiceUnavailable):
        register_portal_client()

    assert client_file().read_text() == before


def test_missing_permission_is_named(token_service):
    client_file().unlink()
    (settings.SECRETS_DIR / "portal-initial-access-token.json").unlink()

    with pytest.raises(PortalNotRegistered, match="no permission"):
        register_portal_client()
