import json
from datetime import timedelta

import pytest
from django.utils import timezone

from ims.endpoints.client_authentication import authenticate_client
from ims.models import Client, ClientSecret, InitialAccessToken
from ims.services.provision_initial_access_token import provision_initial_access_token
from tests.factories.identity import basic, bearer_headers
from wire import bearer

pytestmark = pytest.mark.django_db
GRANTS = ("authorization_code", "refresh_token", "client_credentials")
WEB = {"redirect_uris": ["https://app.example/callback"]}


@pytest.fixture
def permission():
    return provision_initial_access_token(label="portal", grant_types=GRANTS)


def register(client, permission, document, **headers):
    return client.post(
        "/oauth/register",
        json.dumps(document),
        content_type="application/json",
        headers={**bearer_headers(permission.token), **headers},
    )


@pytest.mark.compliance("RFC 7591", "3.2.1", "201 with client_id, secret, its end and its issue")
def test_client_is_registered_with_the_defaults(client, permission, rf, settings):
    response = register(client, permission, WEB)

    document = response.json()
    record = Client.objects.get(client_id=document["client_id"])
    assert response.status_code == 201
    assert response["Content-Type"] == "application/json"
    assert response["Cache-Control"] == "no-store"
    assert document == {
        "client_id": record.client_id,
        "client_id_issued_at": int(record.created.timestamp()),
        "client_secret": document["client_secret"],
        "client_secret_expires_at": 0,
        "registration_access_token": document["registration_access_token"],
        "registration_client_uri": f"{settings.ISSUER}/oauth/register/{record.client_id}",
        "token_endpoint_auth_method": "client_secret_basic",
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
        "id_token_signed_response_alg": "ES256",
        "redirect_uris": ["https://app.example/callback"],
    }
    header = basic(document["client_id"], document["client_secret"])
    assert authenticate_client(rf.post("/", headers={"Authorization": header})) == record


@pytest.mark.compliance("RFC 7591", "3.2.1", "all registered metadata is returned")
def test_metadata_is_kept_and_echoed(client, permission):
    sent = {
        "redirect_uris": ["https://app.example/cb", "http://127.0.0.1/cb", "com.example.app:/cb"],
        "post_logout_redirect_uris": ["https://app.example/"],
        "token_endpoint_auth_method": "client_secret_post",
        "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
        "response_types": ["code"],
        "client_name": "Orders app",
        "client_name#de": "Bestellungen",
        "client_uri": "https://app.example/",
        "logo_uri": "https://app.example/logo.png",
        "scope": "openid orders:read",
        "contacts": ["ops@app.example"],
        "tos_uri": "https://app.example/tos",
        "policy_uri": "https://app.example/policy",
        "jwks_uri": "https://app.example/jwks",
        "software_id": "4NRB1-0XZABZI9E6-5SM3R",
        "software_version": "2.0",
        "application_type": "native",
    }

    document = register(client, permission, sent).json()

    assert {name: document.get(name) for name in sent} == sent


@pytest.mark.compliance("RFC 7591", "2", "metadata that is not understood is ignored")
def test_unknown_members_are_left_out(client, permission):
    unknown = {"is_first_party": True, "client_id": "mine", "favourite_colour": "blue"}

    document = register(client, permission, WEB | unknown).json()

    assert document["client_id"] != "mine"
    assert "favourite_colour" not in document
    assert Client.objects.get(client_id=document["client_id"]).is_first_party is False


def test_secret_cannot_be_chosen(client, permission):
    document = register(client, permission, WEB | {"client_secret": "password"}).json()

    assert document["client_secret"] != "password"


@pytest.mark.compliance("RFC 7591", "3.2.1", "a public client gets no secret")
def test_public_client_gets_no_secret(client, permission):
    document = register(client, permission, WEB | {"token_endpoint_auth_method": "none"}).json()

    assert not {"client_secret", "client_secret_expires_at"} & document.keys()
    assert Client.objects.get().client_type == "public"


def test_client_credentials_need_no_redirect_uri(client, permission):
    document = register(client, permission, {"grant_types": ["client_credentials"]}).json()

    assert document["response_types"] == []
    assert "redirect_uris" not in document


def test_credentials_are_stored_as_digests(client, permission):
    document = register(client, permission, WEB).json()

    record = Client.objects.get()
    token = document["registration_access_token"]
    assert bytes(ClientSecret.objects.get().digest) == bearer.digest(document["client_secret"])
    assert bytes(record.registration_access_token_digest) == bearer.digest(token)


@pytest.mark.compliance("RFC 7591", "3", "an initial access token protects the endpoint")
@pytest.mark.parametrize("token", ["none", "junk", "unknown", "expired", "used up", "wrong kind"])
def test_registration_needs_a_live_initial_access_token(client, permission, token):
    headers = bearer_headers(permission.token)
    if token == "none":
        headers = {}
    elif token == "junk":
        headers = bearer_headers("junk")
    elif token == "unknown":
        headers = bearer_headers(bearer.mint(bearer.Prefix.INITIAL_ACCESS_TOKEN))
    elif token == "expired":
        InitialAccessToken.objects.update(expires_at=timezone.now())
    elif token == "used up":
        InitialAccessToken.objects.update(uses_left=0)
    else:
        headers = bearer_headers(bearer.mint(bearer.Prefix.ACCESS_TOKEN))

    response = client.post(
        "/oauth/register", json.dumps(WEB), content_type="application/json", headers=headers
    )

    assert response.status_code == 401
    assert response.json()["error"] == "invalid_token"
    assert response["WWW-Authenticate"].startswith("Bearer ")
    assert not Client.objects.exists()


def test_each_registration_takes_one_use(client):
    permission = provision_initial_access_token(label="two", grant_types=GRANTS, uses_left=2)

    statuses = [register(client, permission, WEB).status_code for _ in range(3)]

    assert statuses == [201, 201, 401]
    assert InitialAccessToken.objects.get().uses_left == 0


def test_refused_metadata_takes_no_use(client):
    permission = provision_initial_access_token(label="one", grant_types=GRANTS, uses_left=1)

    assert register(client, permission, {}).status_code == 400
    assert register(client, permission, WEB).status_code == 201


def test_token_that_has_not_expired_yet_works(client):
    permission = provision_initial_access_token(
        label="soon", grant_types=GRANTS, expires_at=timezone.now() + timedelta(minutes=1)
    )

    assert register(client, permission, WEB).status_code == 201


@pytest.mark.compliance("RFC 7591", "3.2.2", "invalid_redirect_uri")
@pytest.mark.parametrize(
    "uri",
    [
        "http://app.example/cb",
        "http://localhost.evil.example/cb",
        "http://127.0.0.1.evil.example/cb",
        "http://127.0.0.1@evil.example/cb",
        "https://user:pw@app.example/cb",
        "https://app.example/cb#fragment",
        "https://app.example/cb#",
        "https://*.app.example/cb",
        "https://app.example/*",
        "https://app.example:99999/cb",
        "https://app.example\\@evil.example/",
        "https:///cb",
        "https:app.example",
        "//app.example/cb",
        "/cb",
        "javascript:alert(1)",
        "data:text/html,x",
        "myapp://cb",
        "com.example.app:",
        "https://app.example/a b",
        "https://app.example/\nX",
        "https://äpp.example/cb",
        "https://app.example/" + "a" * 2000,
        "",
        7,
        None,
    ],
)
def test_dangerous_redirect_uri_is_refused(client, permission, uri):
    response = register(client, permission, {"redirect_uris": [uri]})

    assert response.status_code == 400
    assert response.json()["error"] == "invalid_redirect_uri"
    assert response.json()["error_description"].startswith("redirect_uris: ")


@pytest.mark.parametrize(
    "uri",
    [
        "https://app.example/cb?tenant=1",
        "https://app.example:8443/cb",
        "http://localhost:3000/cb",
        "http://127.0.0.1/cb",
        "http://[::1]:4711/cb",
        "com.example.app:/oauth2redirect",
    ],
)
def test_safe_redirect_uri_is_registered(client, permission, uri):
    assert register(client, permission, {"redirect_uris": [uri]}).json()["redirect_uris"] == [uri]


@pytest.mark.compliance("RFC 7591", "2.1", "grant types and response types must agree")
@pytest.mark.parametrize(
    ("change", "member"),
    [
        ({"grant_types": ["client_credentials"], "response_types": ["code"]}, "response_types"),
        ({"response_types": []}, "response_types"),
        ({"response_types": ["token"]}, "response_types"),
        ({"response_types": "code"}, "response_types"),
        ({"grant_types": ["implicit"]}, "grant_types"),
        ({"grant_types": ["password"]}, "grant_types"),
        ({"grant_types": []}, "grant_types"),
        ({"grant_types": ["refresh_token"], "response_types": []}, "grant_types"),
        (
            {
                "grant_types": ["authorization_code", "client_credentials"],
                "token_endpoint_auth_method": "none",
            },
            "grant_types",
        ),
        ({"token_endpoint_auth_method": "tls_client_auth"}, "token_endpoint_auth_method"),
        ({"token_endpoint_auth_method": ["none"]}, "token_endpoint_auth_method"),
    ],
)
def test_inconsistent_metadata_is_refused(client, permission, change, member):
    response = register(client, permission, WEB | change)

    assert response.status_code == 400
    assert response.json()["error"] == "invalid_client_metadata"
    assert response.json()["error_description"].startswith(f"{member}: ")


@pytest.mark.compliance("RFC 7591", "3.2.2", "invalid_client_metadata names the member")
@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("client_name", "x" * 256),
        ("client_name", "Bank\u202eknaB"),
        ("client_name", 7),
        ("client_uri", "javascript:alert(1)"),
        ("logo_uri", "http://app.example/logo.png"),
        ("policy_uri", "com.example.app:/policy"),
        ("contacts", "ops@app.example"),
        ("contacts", ["x"] * 21),
        ("scope", 7),
        ("scope", 'orders:read "'),
        ("scope", "a  b"),
        ("scope", "gateway"),
        ("scope", "orders:read manage"),
        ("scope", "resources:write"),
        ("jwks", {"keys": "x"}),
        ("jwks", {"keys": [{"kty": "EC", "d": "private"}]}),
        ("jwks", {"keys": [{"x": "y" * 20_000}]}),
        ("jwks_uri", "ftp://app.example/jwks"),
        ("application_type", "web3"),
    ],
)
def test_bad_member_is_named(client, permission, member, value):
    response = register(client, permission, WEB | {member: value})

    assert response.status_code == 400
    assert response.json()["error"] == "invalid_client_metadata"
    assert response.json()["error_description"].startswith(f"{member}: ")


@pytest.mark.compliance("RFC 7591", "2", "jwks and jwks_uri exclude each other")
def test_two_key_sets_are_refused(client, permission):
    both = {"jwks": {"keys": []}, "jwks_uri": "https://app.example/jwks"}

    assert register(client, permission, WEB | both).json()["error"] == "invalid_client_metadata"


def test_missing_redirect_uri_is_refused(client, permission):
    assert register(client, permission, {}).json()["error"] == "invalid_redirect_uri"


def test_initial_access_token_limits_grant_types_and_scopes(client):
    permission = provision_initial_access_token(
        label="narrow", grant_types=["authorization_code"], scopes=["orders:read", "manage"]
    )

    machine = register(client, permission, {"grant_types": ["client_credentials"]})
    wide = register(client, permission, WEB | {"scope": "orders:write"})
    named = register(client, permission, WEB | {"scope": "manage"})
    silent = register(client, permission, WEB)

    assert machine.json()["error"] == "invalid_client_metadata"
    assert wide.json()["error"] == "invalid_client_metadata"
    assert named.json()["scope"] == "manage"
    assert silent.json()["scope"] == "orders:read manage"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b'{"a": NaN}',
        b'{"a": 1, "a": 2}',
        b'{"client_name": "\\u0000"}',
        b'{"client_name": "\\ud800"}',
        b"\xff\xfe",
        b"[" * 50_000,
        b'{"a": "' + b"x" * 70_000 + b'"}',
    ],
    ids=lambda body: repr(body[:30]),
)
def test_body_that_is_no_json_object_is_refused(client, permission, body):
    response = client.post(
        "/oauth/register",
        body,
        content_type="application/json",
        headers=bearer_headers(permission.token),
    )

    assert response.status_code == 400
    assert response.json()["error"] == "invalid_request"


@pytest.mark.compliance("RFC 7591", "3.1", "the request is application/json")
def test_form_is_refused(client, permission):
    response = client.post(
        "/oauth/register",
        "redirect_uris=https://app.example/cb",
        content_type="application/x-www-form-urlencoded",
        headers=bearer_headers(permission.token),
    )

    assert response.status_code == 400
