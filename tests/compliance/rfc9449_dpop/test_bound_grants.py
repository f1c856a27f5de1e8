"""RFC 9449 §5, §10: codes and refresh tokens that are bound to a key."""

import pytest

from ims.models import AccessToken, RefreshToken
from tests.compliance.rfc9449_dpop.conftest import DPoPClient
from tests.factories import authorization as flow
from tests.factories.identity import make_client
from tests.factories.keys import make_key, make_proof

OFFLINE = "openid orders:read offline_access"


def refusal(response):
    return response.status_code, response.json()["error"]


@pytest.fixture
def public():
    return flow.make_public_code_client()


@pytest.fixture
def app():
    return flow.make_code_client()


@pytest.fixture
def stranger(client):
    return DPoPClient(client, make_key())


@pytest.mark.compliance("RFC 9449", "5", "refresh tokens of public clients are bound")
def test_public_clients_refresh_token_needs_the_key(browser, dpop, stranger, public):
    document = dpop.exchange(public, flow.obtain_code(browser, public, scope=OFFLINE)).json()
    refresh_token = document["refresh_token"]

    assert document["token_type"] == "DPoP"
    assert RefreshToken.objects.get().dpop_jkt == dpop.key.thumbprint
    assert refusal(stranger.refresh(public, refresh_token)) == (400, "invalid_grant")
    assert refusal(flow.refresh(browser, public, refresh_token)) == (400, "invalid_grant")
    renewed = dpop.refresh(public, refresh_token)
    assert renewed.status_code == 200
    assert renewed.json()["token_type"] == "DPoP"


@pytest.mark.compliance("RFC 9449", "5", "the successor of a bound refresh token is bound")
def test_successor_stays_bound(browser, dpop, stranger, public):
    document = dpop.exchange(public, flow.obtain_code(browser, public, scope=OFFLINE)).json()
    successor = dpop.refresh(public, document["refresh_token"]).json()["refresh_token"]

    assert refusal(stranger.refresh(public, successor)) == (400, "invalid_grant")
    assert dpop.refresh(public, successor).status_code == 200


@pytest.mark.compliance("RFC 9449", "5", "a confidential client may change its key")
def test_confidential_client_may_change_its_key(browser, dpop, stranger, app):
    document = dpop.exchange(app, flow.obtain_code(browser, app.client)).json()

    response = stranger.refresh(app, document["refresh_token"])

    assert response.status_code == 200
    newest = AccessToken.objects.order_by("-issued_at").first()
    assert newest.dpop_jkt == stranger.key.thumbprint


@pytest.mark.compliance("RFC 9449", "10", "a code asked for with dpop_jkt needs that key")
def test_code_is_bound_to_the_named_key(browser, dpop, stranger, app):
    named = {"dpop_jkt": dpop.key.thumbprint}
    code = flow.obtain_code(browser, app.client, **named)

    assert refusal(stranger.exchange(app, code)) == (400, "invalid_grant")
    assert refusal(flow.exchange(browser, app, code)) == (400, "invalid_grant")
    assert dpop.exchange(app, code).status_code == 200


@pytest.mark.compliance("RFC 9449", "10", "dpop_jkt is a JWK thumbprint")
@pytest.mark.parametrize("value", ["short", "é" * 43, "a" * 44, "a" * 42 + "="])
def test_malformed_thumbprint_is_refused(browser, app, value):
    answer = flow.answer_of(flow.authorize(browser, app.client, dpop_jkt=value))

    assert answer["error"] == "invalid_request"
    assert "dpop_jkt" in answer["error_description"]


def test_nonce_is_asked_for_before_the_code_is_spent(browser, dpop, app):
    code = flow.obtain_code(browser, app.client)
    proof = make_proof(dpop.key, "/oauth/token")
    assert refusal(dpop.exchange(app, code, proof=proof)) == (400, "use_dpop_nonce")
    assert dpop.exchange(app, code).status_code == 200


@pytest.mark.compliance("RFC 9449", "6.2", "introspection shows the key a token is bound to")
def test_introspection_shows_the_binding(client, dpop):
    reader = make_client()
    flow.make_orders("https://gateway.example/bound/v1").introspection_clients.add(reader.client)
    app = make_client(scopes=["orders:read"])
    token = dpop.post("/oauth/token", app, grant_type="client_credentials").json()["access_token"]

    body = flow.urlencode({"token": token})
    answer = client.post(
        "/oauth/introspect", body, content_type=flow.FORM, headers=reader.headers
    ).json()

    assert answer["token_type"] == "DPoP"
    assert answer["cnf"] == {"jkt": dpop.key.thumbprint}
