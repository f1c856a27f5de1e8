"""Token rows stay when what they hang on is deleted; each reader has to find them dead."""

from urllib.parse import urlencode

import pytest

from ims.models import AccessToken, Grant, RefreshToken
from ims.services.delete_client import delete_client
from tests.factories.authorization import make_code_client, refresh
from tests.factories.identity import (
    bearer_headers,
    make_access_token,
    make_client,
    make_grant,
    make_refresh_token,
    make_resource,
    make_user,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def gateway():
    known = make_client(client_id="gateway")
    make_resource().introspection_clients.add(known.client)
    return known


@pytest.fixture
def issued():
    known, user = make_code_client(), make_user()
    grant = make_grant(known.client, user, scopes=["openid", "orders:read"])
    access_token, _ = make_access_token(
        known.client, grant=grant, user=user, scopes=["openid", "orders:read"]
    )
    refresh_token, _ = make_refresh_token(grant)
    return known, grant, access_token, refresh_token


def is_active(browser, gateway, token):
    answer = browser.post(
        "/oauth/introspect",
        urlencode({"token": token}),
        content_type="application/x-www-form-urlencoded",
        headers=gateway.headers,
    )
    return answer.json()["active"]


def userinfo_status(browser, token):
    return browser.get("/oauth/userinfo", headers=bearer_headers(token)).status_code


REMOVALS = {
    "client": lambda grant: delete_client(client=grant.client),
    "person": lambda grant: grant.user.delete(),
    "grant": lambda grant: Grant.objects.filter(pk=grant.pk).delete(),
}


@pytest.mark.parametrize("removal", REMOVALS)
def test_token_dies_with_what_it_hangs_on(client, gateway, issued, removal):
    _, grant, token, _ = issued
    assert is_active(client, gateway, token)
    assert userinfo_status(client, token) == 200

    REMOVALS[removal](grant)

    assert AccessToken.objects.count() == 1
    assert not is_active(client, gateway, token)
    assert userinfo_status(client, token) == 401


@pytest.mark.parametrize("removal", ["person", "grant"])
def test_refresh_token_dies_with_what_it_hangs_on(client, issued, removal):
    known, grant, _, token = issued

    REMOVALS[removal](grant)
    answer = refresh(client, known, token)

    assert RefreshToken.objects.count() == 1
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
