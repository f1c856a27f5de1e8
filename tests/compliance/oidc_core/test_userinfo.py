import pytest
from allauth.account.models import EmailAddress

from ims.services.ensure_signing_key import ensure_signing_key
from tests.factories import authorization as flow
from tests.factories.identity import bearer_headers, make_access_token

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


def ask(browser, token):
    return browser.get("/oauth/userinfo", headers=bearer_headers(token))


def token_for(browser, app, person, scope):
    flow.sign_in(browser, person)
    code = flow.obtain_code(browser, app.client, scope=scope)
    return flow.exchange(browser, app, code).json()["access_token"]


@pytest.mark.compliance("OpenID Connect Core", "5.3.2", "userinfo answers the claims of the scopes")
def test_scopes_open_their_claims(client, app, person):
    response = ask(client, token_for(client, app, person, "openid profile email"))

    assert response.status_code == 200
    assert response.json() == {
        "sub": str(person.subject),
        "name": "Ada Lovelace",
        "given_name": "Ada",
        "family_name": "Lovelace",
        "preferred_username": person.username,
        "email": "ada@example.com",
        "email_verified": True,
    }
    assert response["Cache-Control"] == "no-store"


def test_openid_alone_opens_the_subject_only(client, app, person):
    assert ask(client, token_for(client, app, person, "openid")).json() == {
        "sub": str(person.subject)
    }


@pytest.mark.compliance("OpenID Connect Core", "5.7", "email_verified says what is known")
def test_unverified_address_is_told_apart(client, app, person):
    token = token_for(client, app, person, "openid email")
    EmailAddress.objects.update(verified=False)

    assert ask(client, token).json()["email_verified"] is False


@pytest.mark.compliance(
    "OpenID Connect Core", "5.3.1", "POST with a bearer token is served as well"
)
def test_post_is_served(client, app, person):
    token = token_for(client, app, person, "openid")

    response = client.post("/oauth/userinfo", "", flow.FORM, headers=bearer_headers(token))

    assert response.status_code == 200


@pytest.mark.compliance("RFC 6750", "3.1", "a token without openid is insufficient_scope")
def test_token_without_openid_is_refused(client, app, person):
    response = ask(client, token_for(client, app, person, "orders:read"))

    assert response.status_code == 403
    assert 'error="insufficient_scope"' in response["WWW-Authenticate"]


@pytest.mark.compliance("RFC 6750", "3", "no token: 401 with a challenge")
def test_missing_token_is_challenged(client):
    response = client.get("/oauth/userinfo")

    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer")


def test_token_of_a_client_itself_has_no_person(client, app):
    token, _ = make_access_token(app.client, scopes=["openid"], resources=[])

    assert ask(client, token).status_code == 401
