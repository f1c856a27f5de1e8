import pytest
from django.conf import settings
from django.urls import resolve

from ims.registration_limits import SUPPORTED_GRANT_TYPES
from tests.factories import authorization as flow
from tests.factories.identity import make_resource

pytestmark = pytest.mark.django_db
ADDRESSES = ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"]


@pytest.fixture(params=ADDRESSES)
def document(request, client):
    flow.make_orders()
    make_resource(f"{settings.ISSUER}/control", scopes=["gateway"])
    return client.get(request.param).json()


@pytest.mark.compliance("RFC 8414", "2", "issuer is identical to the one the address was made from")
def test_issuer_is_the_web_origin(document):
    assert document["issuer"] == settings.ISSUER


@pytest.mark.compliance("RFC 8414", "2", "every endpoint is named and answers")
@pytest.mark.parametrize(
    "member",
    [
        "authorization_endpoint",
        "token_endpoint",
        "introspection_endpoint",
        "revocation_endpoint",
        "registration_endpoint",
        "userinfo_endpoint",
        "end_session_endpoint",
        "jwks_uri",
    ],
)
def test_endpoint_is_under_the_issuer_and_mounted(document, member):
    assert document[member].startswith(f"{settings.ISSUER}/oauth/")
    assert resolve(document[member].removeprefix(settings.ISSUER))


@pytest.mark.compliance("RFC 8414", "2", "what clients decide by is announced")
def test_capabilities_are_announced(document):
    assert document["response_types_supported"] == ["code"]
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["authorization_response_iss_parameter_supported"] is True
    assert {"ES256", "RS256"} <= set(document["id_token_signing_alg_values_supported"])
    assert not {"none", "HS256"} & set(document["id_token_signing_alg_values_supported"])
    assert document["subject_types_supported"] == ["public"]
    grant_types = {"authorization_code", "refresh_token", "client_credentials"}
    assert grant_types <= set(document["grant_types_supported"]) <= set(SUPPORTED_GRANT_TYPES)
    methods = {"client_secret_basic", "client_secret_post", "none"}
    assert methods <= set(document["token_endpoint_auth_methods_supported"])
    assert "none" not in document["introspection_endpoint_auth_methods_supported"]


def test_scopes_of_apis_are_announced_and_own_ones_are_not(document):
    assert {"openid", "offline_access", "orders:read"} <= set(document["scopes_supported"])
    assert "gateway" not in document["scopes_supported"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_document_may_be_cached_and_read_from_any_origin(client, address):
    response = client.get(address)

    assert response["Content-Type"] == "application/json"
    assert response["Cache-Control"] == "public, max-age=300"
    assert response["Access-Control-Allow-Origin"] == "*"
