import base64
import hashlib
import time

import jwt
import pytest
from django.conf import settings

from ims.services.ensure_signing_key import ensure_signing_key
from tests.factories import authorization as flow

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _installation():
    ensure_signing_key()
    flow.make_orders()


@pytest.fixture
def app():
    return flow.make_code_client()


@pytest.fixture
def person():
    return flow.make_person()


@pytest.fixture
def browser(client, person):
    return flow.sign_in(client, person)


def read(browser, id_token, app):
    """Return the claims, verified the way a relying party does: by the JWKS document."""
    keys = jwt.PyJWKSet.from_dict(browser.get("/oauth/jwks").json())
    key = keys[jwt.get_unverified_header(id_token)["kid"]]
    return jwt.decode(
        id_token, key, algorithms=["ES256"], audience=app.client.client_id, issuer=settings.ISSUER
    )


@pytest.mark.compliance(
    "OpenID Connect Core", "2", "the ID token tells who, for whom and since when"
)
def test_id_token_tells_about_the_authentication(browser, app, person):
    tokens = flow.exchange(browser, app, flow.obtain_code(browser, app.client)).json()

    claims = read(browser, tokens["id_token"], app)

    now = time.time()
    assert claims["sub"] == str(person.subject)
    assert claims["azp"] == app.client.client_id
    assert claims["nonce"] == "n-0S6"
    assert claims["amr"] == ["pwd"]
    assert claims["acr"] == "1"
    assert now - 60 < claims["auth_time"] <= now
    assert claims["exp"] - claims["iat"] == 300
    assert not {"email", "name"} & set(claims)


@pytest.mark.compliance("OpenID Connect Core", "3.1.3.6", "at_hash binds the access token")
def test_at_hash_binds_the_access_token(browser, app):
    tokens = flow.exchange(browser, app, flow.obtain_code(browser, app.client)).json()

    half = hashlib.sha256(tokens["access_token"].encode()).digest()[:16]
    expected = base64.urlsafe_b64encode(half).rstrip(b"=").decode()
    assert read(browser, tokens["id_token"], app)["at_hash"] == expected


@pytest.mark.compliance("OpenID Connect Core", "3.1.2.1", "no scope openid, no ID token")
def test_plain_oauth_request_gets_no_id_token(browser, app):
    code = flow.obtain_code(browser, app.client, scope="orders:read")

    assert "id_token" not in flow.exchange(browser, app, code).json()


def test_request_without_nonce_gets_none(browser, app):
    code = flow.obtain_code(browser, app.client, nonce=None)

    tokens = flow.exchange(browser, app, code).json()

    assert "nonce" not in read(browser, tokens["id_token"], app)


def test_too_long_nonce_is_refused(browser, app):
    answer = flow.answer_of(flow.authorize(browser, app.client, nonce="n" * 513))

    assert answer["error"] == "invalid_request"


@pytest.mark.compliance(
    "OpenID Connect Core", "12.2", "a refreshed ID token keeps sub and auth_time"
)
def test_refreshed_id_token_keeps_the_authentication(browser, app):
    tokens = flow.exchange(browser, app, flow.obtain_code(browser, app.client)).json()
    fresh = flow.refresh(browser, app, tokens["refresh_token"]).json()

    before, after = read(browser, tokens["id_token"], app), read(browser, fresh["id_token"], app)

    assert {name: after[name] for name in ("iss", "sub", "aud", "auth_time", "acr", "amr")} == {
        name: before[name] for name in ("iss", "sub", "aud", "auth_time", "acr", "amr")
    }
    assert "nonce" not in after


def test_id_token_header_names_key_and_type(browser, app):
    tokens = flow.exchange(browser, app, flow.obtain_code(browser, app.client)).json()

    header = jwt.get_unverified_header(tokens["id_token"])

    assert (header["alg"], header["typ"]) == ("ES256", "JWT")


def test_jwks_shows_public_members_only(client):
    response = client.get("/oauth/jwks")

    assert response["Cache-Control"] == "public, max-age=300"
    (key,) = response.json()["keys"]
    assert set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
