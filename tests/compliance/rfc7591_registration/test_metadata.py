"""Members of the RFCs and of OpenID Connect beyond the first ones."""

import json

import pytest

from ims.models import Client
from ims.services.provision_initial_access_token import provision_initial_access_token
from tests.factories.identity import bearer_headers

pytestmark = pytest.mark.django_db
GRANTS = (
    "authorization_code",
    "refresh_token",
    "client_credentials",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:grant-type:token-exchange",
)
WEB = {"redirect_uris": ["https://app.example/callback"]}
JWK = {"kty": "EC", "crv": "P-256", "x": "x" * 43, "y": "y" * 43, "kid": "1", "use": "sig"}
JWS = "eyJhbGciOiJFUzI1NiJ9.eyJzb2Z0d2FyZV9pZCI6IngifQ.c2ln"


def register(client, document):
    permission = provision_initial_access_token(label="portal", grant_types=GRANTS)
    return client.post(
        "/oauth/register",
        json.dumps(document),
        content_type="application/json",
        headers=bearer_headers(permission.token),
    )


@pytest.mark.compliance("RFC 7591", "3.2.1", "metadata of extensions is kept and returned")
@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("id_token_signed_response_alg", "RS256"),
        ("id_token_signed_response_alg", "PS256"),
        ("id_token_signed_response_alg", "EdDSA"),
        ("introspection_signed_response_alg", "ES256"),
        ("token_endpoint_auth_signing_alg", "RS256"),
        ("dpop_bound_access_tokens", True),
        ("require_pushed_authorization_requests", True),
        ("default_max_age", 0),
        ("default_max_age", 3600),
        ("require_auth_time", True),
        ("default_acr_values", ["2", "1"]),
        ("initiate_login_uri", "https://app.example/login"),
        ("jwks", {"keys": [JWK]}),
        ("tos_uri#fr-CA", "https://app.example/conditions"),
        ("client_name#ja-Hani-JP", "注文"),
    ],
)
def test_member_is_kept_and_echoed(client, member, value):
    document = register(client, WEB | {member: value}).json()

    record = Client.objects.get()
    read = client.get(
        f"/oauth/register/{record.client_id}",
        headers=bearer_headers(document["registration_access_token"]),
    ).json()
    assert document[member] == value
    assert read[member] == value
    assert record.metadata[member] == value


@pytest.mark.compliance("RFC 7591", "3.2.2", "invalid_client_metadata for what is not available")
@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("id_token_signed_response_alg", "HS256"),
        ("id_token_signed_response_alg", "none"),
        ("id_token_signed_response_alg", ["ES256"]),
        ("introspection_signed_response_alg", "none"),
        ("token_endpoint_auth_signing_alg", "HS256"),
        ("dpop_bound_access_tokens", "true"),
        ("require_pushed_authorization_requests", 1),
        ("default_max_age", -1),
        ("default_max_age", True),
        ("default_max_age", 1.5),
        ("default_acr_values", "2"),
        ("initiate_login_uri", "http://localhost/login"),
        ("jwks_uri", "http://localhost/jwks"),
        ("subject_type", "pairwise"),
        ("tls_client_certificate_bound_access_tokens", True),
        ("require_signed_request_object", True),
    ],
)
def test_member_that_is_not_available_is_named(client, member, value):
    response = register(client, WEB | {member: value})

    assert response.status_code == 400
    assert response.json()["error"] == "invalid_client_metadata"
    assert response.json()["error_description"].startswith(f"{member}: ")


def test_request_uris_are_ignored(client):
    response = register(client, WEB | {"request_uris": ["https://app.example/request.jwt"]})

    assert response.status_code == 201
    assert "request_uris" not in response.json()


@pytest.mark.compliance("RFC 7591", "3.2.2", "invalid_software_statement")
@pytest.mark.parametrize("statement", ["a.b", "not a jwt", 7, "a.b.c.d", ""])
def test_software_statement_that_is_no_jwt_is_invalid(client, statement):
    response = register(client, WEB | {"software_statement": statement})

    assert response.status_code == 400
    assert response.json()["error"] == "invalid_software_statement"


@pytest.mark.compliance("RFC 7591", "3.2.2", "unapproved_software_statement")
def test_software_statement_of_nobody_we_trust_is_unapproved(client):
    response = register(client, WEB | {"software_statement": JWS})

    assert response.status_code == 400
    assert response.json()["error"] == "unapproved_software_statement"
    assert not Client.objects.exists()


@pytest.mark.compliance("RFC 7591", "2", "private_key_jwt needs the client's keys")
@pytest.mark.parametrize("keys", [{}, {"jwks": {"keys": []}}])
def test_private_key_jwt_without_keys_is_refused(client, keys):
    response = register(client, WEB | {"token_endpoint_auth_method": "private_key_jwt"} | keys)

    assert response.status_code == 400
    assert response.json()["error"] == "invalid_client_metadata"


@pytest.mark.compliance("RFC 7591", "3.2.1", "a client with keys gets no secret")
@pytest.mark.parametrize(
    "keys", [{"jwks": {"keys": [JWK]}}, {"jwks_uri": "https://app.example/jwks"}]
)
def test_private_key_jwt_gets_no_secret(client, keys):
    sent = {"token_endpoint_auth_method": "private_key_jwt", "grant_types": ["client_credentials"]}

    response = register(client, sent | keys)

    record = Client.objects.get()
    assert response.status_code == 201
    assert response.json()["token_endpoint_auth_method"] == "private_key_jwt"
    assert "client_secret" not in response.json()
    assert record.client_type == Client.CLIENT_CONFIDENTIAL
    assert not record.secrets.exists()


def test_device_client_may_refresh_without_codes(client):
    grants = ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"]

    document = register(
        client, {"grant_types": grants, "token_endpoint_auth_method": "none"}
    ).json()

    assert document["grant_types"] == grants
    assert document["response_types"] == []


def test_public_client_exchanges_no_tokens(client):
    grants = ["urn:ietf:params:oauth:grant-type:token-exchange"]

    response = register(client, {"grant_types": grants, "token_endpoint_auth_method": "none"})

    assert response.json()["error"] == "invalid_client_metadata"
