from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.utils import timezone

from ims.models import AccessToken, AuthorizationCode, Grant, RefreshToken, RevocationEvent, User
from ims.services.ensure_signing_key import ensure_signing_key
from ims.services.revoke_grant import revoke_grant
from tests.factories import authorization as flow
from tests.factories.identity import INVOICES, ORDERS
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


def refusal(response, error="invalid_grant"):
    assert response.status_code == 400, response.content
    assert response["Cache-Control"] == "no-store"
    document = response.json()
    assert document["error"] == error, document
    return document["error_description"]


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
    assert (response["Cache-Control"], response["Pragma"]) == ("no-store", "no-cache")


@pytest.mark.compliance("RFC 6749", "10.5", "codes and tokens are kept as digests only")
def test_codes_and_tokens_are_stored_as_digests(browser, app):
    code = flow.obtain_code(browser, app.client)
    document = flow.exchange(browser, app, code).json()

    assert AuthorizationCode.objects.filter(digest=bearer.digest(code)).exists()
    assert AccessToken.objects.filter(digest=bearer.digest(document["access_token"])).exists()
    assert RefreshToken.objects.filter(digest=bearer.digest(document["refresh_token"])).exists()


@pytest.mark.compliance("RFC 6749", "4.1.2", "a code used twice is denied, its tokens are revoked")
def test_replayed_code_revokes_everything_made_from_it(browser, app):
    code = flow.obtain_code(browser, app.client)
    tokens = flow.exchange(browser, app, code).json()

    replay = flow.exchange(browser, app, code)

    assert "used before" in refusal(replay)
    assert Grant.objects.get().revoked_at is not None
    assert AccessToken.objects.get().revoked_at is not None
    event = RevocationEvent.objects.get()
    assert bytes(event.token_digest) == bearer.digest(tokens["access_token"])
    assert "revoked" in refusal(flow.refresh(browser, app, tokens["refresh_token"]))


@pytest.mark.compliance("RFC 6749", "4.1.2", "a code expires shortly after it was issued")
def test_expired_code_is_refused(browser, app):
    code = flow.obtain_code(browser, app.client)
    lifetime = AuthorizationCode.objects.get().expires_at - timezone.now()
    AuthorizationCode.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    assert "expired" in refusal(flow.exchange(browser, app, code))
    assert timedelta(seconds=30) < lifetime <= timedelta(seconds=60)


@pytest.mark.compliance("RFC 6749", "4.1.3", "a code is bound to the client it was issued to")
def test_code_of_another_client_is_refused_and_stays_good(browser, app):
    code = flow.obtain_code(browser, app.client)

    assert "another client" in refusal(flow.exchange(browser, flow.make_code_client(), code))
    assert flow.exchange(browser, app, code).status_code == 200


@pytest.mark.compliance("RFC 6749", "4.1.3", "redirect_uri must equal that of the request")
@pytest.mark.parametrize(
    "uri", [None, "https://app.example/other", "https://app.example/callback/"]
)
def test_other_redirect_uri_is_refused(browser, app, uri):
    code = flow.obtain_code(browser, app.client)

    assert "redirect_uri" in refusal(flow.exchange(browser, app, code, redirect_uri=uri))


@pytest.mark.compliance("RFC 6749", "5.2", "an unknown code is invalid_grant")
def test_unknown_code_is_refused(browser, app):
    unknown = bearer.mint(bearer.Prefix.AUTHORIZATION_CODE)

    assert "unknown" in refusal(flow.exchange(browser, app, unknown))


@pytest.mark.compliance("RFC 6749", "5.2", "a missing parameter is invalid_request")
def test_missing_code_is_named(browser, app):
    assert "code: " in refusal(flow.exchange(browser, app, None), "invalid_request")


@pytest.mark.compliance("RFC 6749", "5.2", "a code of a revoked authorization is invalid_grant")
def test_code_of_a_revoked_grant_is_refused(browser, app):
    code = flow.obtain_code(browser, app.client)
    revoke_grant(grant=Grant.objects.get())

    assert "revoked" in refusal(flow.exchange(browser, app, code))


def test_code_of_a_deactivated_person_is_refused(browser, app):
    code = flow.obtain_code(browser, app.client)
    User.objects.update(is_active=False)

    assert "revoked" in refusal(flow.exchange(browser, app, code))


@pytest.mark.compliance("RFC 8707", "2.2", "a code is exchanged for one of its resources")
def test_token_for_one_resource_carries_its_scopes_only(browser, app):
    flow.make_orders(INVOICES, scopes=("invoices:read",))
    code = flow.obtain_code(browser, app.client, scope="openid orders:read invoices:read")

    document = flow.exchange(browser, app, code, resource=INVOICES).json()

    assert document["scope"] == "openid invoices:read"
    assert AccessToken.objects.get().resources == [INVOICES]


@pytest.mark.compliance("RFC 8707", "2.2", "a resource outside of the grant is invalid_target")
def test_resource_outside_of_the_grant_is_refused(browser, app):
    flow.make_orders(INVOICES, scopes=("invoices:read",))
    code = flow.obtain_code(browser, app.client, resource=ORDERS)

    refusal(flow.exchange(browser, app, code, resource=INVOICES), "invalid_target")


def test_public_client_gets_a_refresh_token_for_offline_access_only(browser):
    public = flow.make_public_code_client()

    without = flow.exchange(browser, public, flow.obtain_code(browser, public)).json()
    offline = flow.obtain_code(browser, public, scope="openid offline_access")
    with_it = flow.exchange(browser, public, offline).json()

    assert "refresh_token" not in without
    assert with_it["refresh_token"].startswith("tgrt_")


@pytest.mark.parametrize("resource", [None, ORDERS])
def test_exchange_takes_six_statements(browser, app, resource, django_assert_max_num_queries):
    flow.make_orders(INVOICES, scopes=("invoices:read",))
    scope = "openid orders:read invoices:read"
    # The first one warms the signing key.
    flow.exchange(browser, app, flow.obtain_code(browser, app.client, scope=scope))
    code = flow.obtain_code(browser, app.client, scope=scope)

    with django_assert_max_num_queries(6):
        response = flow.exchange(browser, app, code, resource=resource)

    assert response.json()["refresh_token"]
    assert response.json()["id_token"]


@pytest.mark.compliance("RFC 6749", "3.2", "parameters are sent in the body, once, by POST")
def test_code_in_the_address_is_not_read(browser, app):
    code = flow.obtain_code(browser, app.client)
    query = urlencode({"grant_type": "authorization_code", "code": code})

    response = browser.post(f"/oauth/token?{query}", headers=app.headers)

    assert response.status_code == 400
    assert browser.get("/oauth/token").status_code == 405


@pytest.mark.compliance("RFC 6749", "5.2", "unknown grant types are unsupported_grant_type")
def test_unknown_grant_type_is_named_with_the_supported(browser, app):
    description = refusal(
        flow.post_token(browser, app, grant_type="password"), "unsupported_grant_type"
    )

    assert "authorization_code" in description


@pytest.mark.compliance("RFC 6749", "5.2", "a missing grant type is invalid_request")
def test_missing_grant_type_is_named(browser, app):
    assert "grant_type" in refusal(flow.post_token(browser, app), "invalid_request")


@pytest.mark.compliance("RFC 6749", "5.2", "an unregistered grant type is unauthorized_client")
def test_unregistered_grant_type_is_refused(browser, app):
    refusal(
        flow.post_token(browser, app, grant_type="client_credentials", scope="orders:read"),
        "unauthorized_client",
    )
