from datetime import timedelta

import pytest
from django.utils import timezone

from ims.models import RefreshToken
from ims.services.ensure_signing_key import ensure_signing_key
from tests.factories import authorization as flow
from tests.factories.identity import INVOICES
from wire import bearer

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


@pytest.fixture
def tokens(browser, app):
    code = flow.obtain_code(browser, app.client, scope="openid orders:read orders:write")
    return flow.exchange(browser, app, code).json()


def refusal(response, error="invalid_grant"):
    assert response.status_code == 400, response.content
    assert response.json()["error"] == error, response.json()
    return response.json()["error_description"]


@pytest.mark.compliance("RFC 6749", "6", "a refresh token is worth a new access token")
def test_refresh_rotates(browser, app, tokens):
    response = flow.refresh(browser, app, tokens["refresh_token"])

    assert response.status_code == 200
    fresh = response.json()
    assert fresh["access_token"] != tokens["access_token"]
    assert fresh["refresh_token"] != tokens["refresh_token"]
    assert fresh["scope"] == tokens["scope"]
    assert flow.refresh(browser, app, fresh["refresh_token"]).status_code == 200


@pytest.mark.compliance("RFC 6749", "6", "a refresh token is bound to its client")
def test_refresh_token_of_another_client_is_refused_and_stays_good(browser, app, tokens):
    other = flow.make_code_client()

    assert "another client" in refusal(flow.refresh(browser, other, tokens["refresh_token"]))
    assert flow.refresh(browser, app, tokens["refresh_token"]).status_code == 200


@pytest.mark.compliance("RFC 6749", "5.2", "an expired refresh token is invalid_grant")
def test_expired_refresh_token_is_refused(browser, app, tokens):
    RefreshToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    assert "expired" in refusal(flow.refresh(browser, app, tokens["refresh_token"]))


@pytest.mark.compliance("RFC 6749", "5.2", "an unknown refresh token is invalid_grant")
def test_unknown_refresh_token_is_refused(browser, app):
    unknown = bearer.mint(bearer.Prefix.REFRESH_TOKEN)

    assert "unknown" in refusal(flow.refresh(browser, app, unknown))


@pytest.mark.compliance("RFC 6749", "5.2", "a missing refresh token is invalid_request")
def test_missing_refresh_token_is_named(browser, app):
    assert "refresh_token" in refusal(flow.refresh(browser, app, ""), "invalid_request")


@pytest.mark.compliance("RFC 6749", "6", "scope may be cut, the refresh token keeps the rest")
def test_scope_shrinks_for_one_access_token(browser, app, tokens):
    cut = flow.refresh(browser, app, tokens["refresh_token"], scope="orders:read").json()
    whole = flow.refresh(browser, app, cut["refresh_token"]).json()

    assert cut["scope"] == "orders:read"
    assert "id_token" not in cut
    assert whole["scope"] == tokens["scope"]


@pytest.mark.compliance("RFC 6749", "6", "scope must not exceed what was granted")
def test_scope_never_grows(browser, app, tokens):
    response = flow.refresh(browser, app, tokens["refresh_token"], scope="orders:read email")

    assert "never add" in refusal(response, "invalid_scope")
    assert flow.refresh(browser, app, tokens["refresh_token"]).status_code == 200


@pytest.mark.compliance(
    "RFC 8707", "2.2", "a refresh for a resource outside of the grant is invalid_target"
)
def test_resource_never_grows(browser, app, tokens):
    flow.make_orders(INVOICES, scopes=("orders:read",))

    refusal(
        flow.refresh(browser, app, tokens["refresh_token"], resource=INVOICES), "invalid_target"
    )


def test_refresh_takes_six_statements(browser, app, tokens, django_assert_max_num_queries):
    with django_assert_max_num_queries(6):
        assert flow.refresh(browser, app, tokens["refresh_token"]).status_code == 200


def test_refresh_for_one_resource_takes_six_statements(browser, app, django_assert_max_num_queries):
    flow.make_orders(INVOICES, scopes=("invoices:read",))
    code = flow.obtain_code(browser, app.client, scope="openid orders:read invoices:read")
    token = flow.exchange(browser, app, code).json()["refresh_token"]

    with django_assert_max_num_queries(6):
        response = flow.refresh(browser, app, token, resource=INVOICES)

    assert response.json()["scope"] == "openid invoices:read"


def test_scope_that_the_client_lost_since_is_not_refreshed(browser, app, tokens):
    app.client.scopes = ["openid", "orders:read"]
    app.client.save()

    document = flow.refresh(browser, app, tokens["refresh_token"]).json()

    assert document["scope"] == "openid orders:read"


def test_client_that_lost_every_granted_scope_gets_nothing(browser, app, tokens):
    app.client.scopes = ["profile"]
    app.client.save()

    refusal(flow.refresh(browser, app, tokens["refresh_token"]), "invalid_scope")
