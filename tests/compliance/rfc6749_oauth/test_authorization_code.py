import pytest

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
def browser(client):
    return flow.sign_in(client, flow.make_person())


@pytest.mark.compliance("RFC 6749", "4.1", "a code is exchanged for an access token")
def test_code_is_worth_tokens(browser, app):
    code = flow.obtain_code(browser, app.client)

    response = flow.exchange(browser, app, code)

    assert response.status_code == 200, response.content
    document = response.json()
    assert document["access_token"].startswith("tgat_")
    assert document["token_type"] == "Bearer"
    assert document["expires_in"] == 900
    assert document["scope"] == "openid orders:read"
    assert document["refresh_token"].startswith("tgrt_")
    assert response["Cache-Control"] == "no-store"
