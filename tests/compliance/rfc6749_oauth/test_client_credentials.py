import pytest
from django.conf import settings

from ims.models import AccessToken
from tests.factories import authorization as flow
from tests.factories.identity import (
    INVOICES,
    ORDERS,
    make_client,
    make_public_client,
    make_resource,
)
from wire import bearer

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _registry():
    flow.make_orders()
    make_resource(INVOICES, scopes=("orders:read", "invoices:read"))


@pytest.fixture
def app():
    return make_client(scopes=["orders:read", "orders:write", "invoices:read"])


def ask(browser, known, **form):
    return flow.post_token(browser, known, grant_type="client_credentials", **form)


def refusal(response, error):
    assert response.status_code == 400, response.content
    assert response.json()["error"] == error, response.json()
    return response.json()["error_description"]


@pytest.mark.compliance("RFC 6749", "4.4.3", "a client gets a token for itself, without refresh")
def test_client_gets_a_token_for_itself(client, app):
    response = ask(client, app, scope="orders:read", resource=ORDERS)

    assert response.status_code == 200, response.content
    document = response.json()
    assert set(document) == {"access_token", "token_type", "expires_in", "scope"}
    assert bearer.is_well_formed(document["access_token"], bearer.Prefix.ACCESS_TOKEN)
    record = AccessToken.objects.get()
    assert (record.user, record.grant, record.resources) == (None, None, [ORDERS])


def test_issue_takes_three_statements(client, app, django_assert_max_num_queries):
    with django_assert_max_num_queries(3):
        assert ask(client, app, scope="orders:read").status_code == 200


@pytest.mark.compliance("RFC 8707", "2", "without resource, every one that offers a scope")
def test_resource_defaults_to_all_that_offer_a_scope(client, app):
    ask(client, app, scope="orders:read")

    assert AccessToken.objects.get().resources == sorted([ORDERS, INVOICES])


@pytest.mark.compliance("RFC 6749", "3.3", "a missing scope means the registered ones")
def test_scope_defaults_to_the_registered_ones_at_the_resource(client, app):
    document = ask(client, app, resource=ORDERS).json()

    assert document["scope"] == "orders:read orders:write"


@pytest.mark.compliance("RFC 6749", "5.2", "an unknown scope is invalid_scope")
def test_unknown_scope_is_named(client):
    anything = make_client()

    assert "nonsense" in refusal(
        ask(client, anything, scope="orders:read nonsense"), "invalid_scope"
    )


def test_scope_that_is_not_registered_for_the_client_is_named(client):
    narrow = make_client(scopes=["orders:read"])

    assert "orders:write" in refusal(ask(client, narrow, scope="orders:write"), "invalid_scope")


@pytest.mark.compliance("RFC 8707", "2", "a resource without the scopes is invalid_target")
@pytest.mark.parametrize("resource", [INVOICES, "https://unknown.example/api", "nonsense"])
def test_resource_that_offers_no_scope_is_refused(client, app, resource):
    refusal(ask(client, app, scope="orders:write", resource=resource), "invalid_target")


def test_scope_outside_of_the_named_resource_is_refused(client, app):
    response = ask(client, app, scope="orders:write invoices:read", resource=ORDERS)

    assert "invoices:read" in refusal(response, "invalid_scope")


@pytest.mark.parametrize("scope", ["openid", "profile", "email", "offline_access"])
def test_scope_about_a_person_is_refused(client, scope):
    assert "person" in refusal(ask(client, make_client(), scope=scope), "invalid_scope")


def test_no_scope_at_all_is_refused(client):
    assert "at least one" in refusal(ask(client, make_client()), "invalid_scope")


@pytest.mark.compliance("RFC 6749", "3.3", "a malformed scope is invalid_scope")
@pytest.mark.parametrize("scope", ['a"b', "a\\b", "ü", "x" * 129])
def test_malformed_scope_is_refused_without_echo(client, scope):
    assert scope not in refusal(ask(client, make_client(), scope=scope), "invalid_scope")


@pytest.mark.compliance("RFC 6749", "4.4", "only confidential clients may use it")
def test_public_client_is_refused(client):
    public = make_public_client(grant_types=["client_credentials"])

    refusal(ask(client, public, scope="orders:read"), "unauthorized_client")


@pytest.mark.parametrize("scope", ["gateway", "ordinary"])
def test_own_interfaces_are_closed_to_clients_not_registered_for_them(client, scope):
    make_resource(f"{settings.ISSUER}/control", scopes=[scope])

    assert scope in refusal(ask(client, make_client(), scope=scope), "invalid_scope")
    assert ask(client, make_client(scopes=[scope]), scope=scope).status_code == 200


def test_reserved_scope_at_a_foreign_resource_is_closed_too(client):
    make_resource("https://gateway.example/impostor", scopes=["manage"])

    refusal(ask(client, make_client(), scope="manage"), "invalid_scope")
