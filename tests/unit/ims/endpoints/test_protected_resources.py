import json

import pytest

from ims.claim_sources import CLAIM_SOURCES, DECLARABLE_CLAIMS
from ims.models import ProtectedResource
from tests.factories.identity import (
    ORDERS,
    bearer_headers,
    make_access_token,
    make_client,
    make_public_client,
)

pytestmark = pytest.mark.django_db
URL = "/oauth/protected-resources"
DECLARATION = {
    "resource": ORDERS,
    "resource_name": "Orders",
    "scopes": [{"name": "orders:read", "description": "Read orders"}],
    "claims": ["email"],
    "introspection_clients": ["tollgate-gateway"],
}


@pytest.fixture
def headers(settings):
    make_client(client_id="tollgate-gateway")
    return make_headers(settings)


def make_headers(settings, **changes):
    members = {
        "scopes": ["resources:write"],
        "resources": [f"{settings.ISSUER}/oauth/protected-resources"],
    }
    token, _ = make_access_token(make_client().client, **(members | changes))
    return bearer_headers(token)


def put(client, document, headers):
    return client.put(URL, json.dumps(document), content_type="application/json", headers=headers)


def test_resource_is_registered_as_declared(client, headers):
    response = put(client, DECLARATION, headers)

    record = ProtectedResource.objects.get()
    assert (response.status_code, response.json()) == (200, DECLARATION)
    assert (record.resource, record.name, record.claims) == (ORDERS, "Orders", ["email"])
    assert [scope.description for scope in record.scopes.all()] == ["Read orders"]
    assert [known.client_id for known in record.introspection_clients.all()] == ["tollgate-gateway"]


def test_words_about_the_resource_are_kept(client, headers):
    words = {
        "description": "Read and place the orders of a small shop.",
        "documentation_url": "https://docs.example/orders",
    }

    response = put(client, DECLARATION | words, headers)

    record = ProtectedResource.objects.get()
    assert response.json() == DECLARATION | words
    assert record.description == words["description"]
    assert record.documentation_url == words["documentation_url"]


def test_second_declaration_replaces_the_first(client, headers):
    make_client(client_id="gateway-2")
    put(client, DECLARATION, headers)
    changed = DECLARATION | {
        "scopes": [
            {"name": "orders:write", "description": ""},
            {"name": "orders:read", "description": "See"},
        ],
        "claims": [],
        "introspection_clients": ["gateway-2"],
    }

    first, second = put(client, changed, headers), put(client, changed, headers)

    record = ProtectedResource.objects.get()
    assert first.json() == second.json() == changed
    assert {scope.name: scope.description for scope in record.scopes.all()} == {
        "orders:read": "See",
        "orders:write": "",
    }
    assert [known.client_id for known in record.introspection_clients.all()] == ["gateway-2"]


def test_delete_may_be_repeated(client, headers):
    put(client, DECLARATION, headers)

    statuses = [
        client.delete(f"{URL}?resource={ORDERS}", headers=headers).status_code for _ in range(2)
    ]

    assert statuses == [204, 204]
    assert not ProtectedResource.objects.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"resources": []},
        {"resources": [ORDERS]},
        {"revoked_at": "2026-01-01T00:00:00Z"},
        {"expires_at": "2026-01-01T00:00:00Z"},
    ],
)
def test_token_must_live_and_be_made_for_the_registry(client, settings, changes):
    response = put(client, DECLARATION, make_headers(settings, **changes))

    assert response.status_code == 401
    assert 'error="invalid_token"' in response["WWW-Authenticate"]


def test_scope_is_required(client, settings):
    response = put(client, DECLARATION, make_headers(settings, scopes=["orders:read"]))

    assert response.status_code == 403
    assert 'scope="resources:write"' in response["WWW-Authenticate"]


def test_anonymous_is_challenged(client):
    response = put(client, DECLARATION, {})

    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith('Bearer realm="Tollgate", DPoP ')


@pytest.mark.parametrize("path", ["/control", "/api", "/oauth/protected-resources", "/api/"])
def test_built_in_resources_stay(client, headers, settings, path):
    resource = settings.ISSUER + path

    changed = put(client, DECLARATION | {"resource": resource}, headers)
    deleted = client.delete(f"{URL}?resource={resource}", headers=headers)

    assert (changed.status_code, deleted.status_code) == (400, 400)
    assert "built in" in changed.json()["error_description"]


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("resource", None),
        ("resource", 7),
        ("resource", "/orders"),
        ("resource", "https://gateway.example/orders#v1"),
        ("resource", "https:///orders"),
        ("resource", "https://a@b.example/"),
        ("resource", "https://[::1/"),
        ("resource", "https://gateway.example/" + "a" * 512),
        ("description", "a\nb"),
        ("description", "x" * 257),
        ("documentation_url", "docs.example"),
        ("documentation_url", "javascript:alert(1)"),
        ("resource_name", ""),
        ("resource_name", "a\nb"),
        ("scopes", {"orders:read": "x"}),
        ("scopes", ["orders:read"]),
        ("scopes", [{"name": "a b"}]),
        ("scopes", [{"name": "manage"}]),
        ("scopes", [{"name": "openid"}]),
        ("scopes", [{"name": "a"}, {"name": "a"}]),
        ("scopes", [{"name": "a", "description": "x" * 257}]),
        ("claims", ["password"]),
        ("claims", "email"),
        ("introspection_clients", ["nobody"]),
        ("introspection_clients", ["public"]),
    ],
)
def test_bad_declaration_is_refused_by_name(client, headers, member, value):
    make_public_client(client_id="public")

    response = put(client, DECLARATION | {member: value}, headers)

    assert response.status_code == 400
    assert response.json()["error_description"].startswith(member)
    assert not ProtectedResource.objects.exists()


@pytest.mark.parametrize("query", ["", "?resource=orders", f"?resource={ORDERS}&resource=urn:b"])
def test_delete_needs_one_resource(client, headers, query):
    assert client.delete(URL + query, headers=headers).status_code == 400


def test_every_declarable_claim_has_a_source():
    assert set(DECLARABLE_CLAIMS.values()) <= set(CLAIM_SOURCES)
