"""Where clients look for the metadata of an issuer, with a path and without one."""

import pytest

pytestmark = pytest.mark.django_db
ROOT = ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"]
OF_A_TENANT = [
    "/.well-known/oauth-authorization-server/tenant/one",
    "/.well-known/openid-configuration/tenant/one",
    "/tenant/one/.well-known/openid-configuration",
]


@pytest.fixture
def tenant(settings):
    settings.ISSUER = "https://id.example/tenant/one"
    return settings.ISSUER


@pytest.mark.compliance("RFC 8414", "3.1", "the well-known part goes before the issuer's path")
@pytest.mark.compliance("RFC 8414", "5", "OpenID Connect's address is answered, too")
@pytest.mark.parametrize("address", OF_A_TENANT)
def test_issuer_with_a_path_is_found_at_every_address(client, tenant, address):
    response = client.get(address)

    assert response.status_code == 200
    assert response.json()["issuer"] == tenant
    assert response.json()["token_endpoint"] == f"{tenant}/oauth/token"
    assert response["Access-Control-Allow-Origin"] == "*"
    assert response["Cache-Control"] == "public, max-age=300"


@pytest.mark.compliance("RFC 8414", "3.3", "nobody answers for another issuer")
@pytest.mark.parametrize(
    "address",
    [
        "/.well-known/oauth-authorization-server/tenant",
        "/.well-known/oauth-authorization-server/tenant/one/",
        "/.well-known/oauth-authorization-server/tenant/two",
        "/.well-known/openid-configuration/other",
        "/other/.well-known/openid-configuration",
    ],
)
def test_another_issuers_address_is_not_found(client, tenant, address):
    assert client.get(address).status_code == 404


@pytest.mark.parametrize("address", OF_A_TENANT)
def test_issuer_without_a_path_has_no_such_addresses(client, address):
    assert client.get(address).status_code == 404


@pytest.mark.parametrize("address", ROOT)
def test_issuer_without_a_path_is_found_at_the_root(client, settings, address):
    assert client.get(address).json()["issuer"] == settings.ISSUER
