import json
from urllib.parse import urlencode

import pytest

from tests.factories.identity import (
    INVOICES,
    ORDERS,
    bearer_headers,
    make_access_token,
    make_client,
)

pytestmark = pytest.mark.django_db
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def registrar(settings):
    token, _ = make_access_token(
        make_client().client,
        scopes=["resources:write"],
        resources=[f"{settings.ISSUER}/oauth/protected-resources"],
    )
    return bearer_headers(token)


def register(client, registrar, resource, **members):
    document = {"resource": resource, "scopes": [{"name": "read"}], **members}
    return client.put(
        "/oauth/protected-resources",
        json.dumps(document),
        content_type="application/json",
        headers=registrar,
    )


@pytest.mark.compliance("RFC 8707", "2", "a resource is an absolute URI without a fragment")
@pytest.mark.parametrize("resource", ["orders", "/orders", f"{ORDERS}#top", "https://a b.example"])
def test_other_identifiers_are_not_registered(client, registrar, resource):
    assert register(client, registrar, resource).status_code == 400


@pytest.mark.compliance("RFC 8707", "3", "a token made for one resource is no good at another")
def test_each_gateway_sees_its_own_resource(client, registrar):
    gateways = {ORDERS: make_client(), INVOICES: make_client()}
    for resource, known in gateways.items():
        readers = [known.client.client_id]
        assert (
            register(client, registrar, resource, introspection_clients=readers).status_code == 200
        )
    token, _ = make_access_token(make_client().client, resources=[ORDERS], scopes=["read"])

    seen = {
        resource: client.post(
            "/oauth/introspect",
            urlencode({"token": token}),
            content_type=FORM,
            headers=known.headers,
        ).json()["active"]
        for resource, known in gateways.items()
    }

    assert seen == {ORDERS: True, INVOICES: False}


@pytest.mark.compliance("RFC 8707", "2", "tokens for a resource that is gone are inactive")
def test_dropped_resource_ends_its_tokens(client, registrar):
    gateway = make_client()
    register(client, registrar, ORDERS, introspection_clients=[gateway.client.client_id])
    token, _ = make_access_token(make_client().client, resources=[ORDERS], scopes=["read"])

    client.delete(f"/oauth/protected-resources?resource={ORDERS}", headers=registrar)

    body = urlencode({"token": token})
    answer = client.post(
        "/oauth/introspect", body, content_type=FORM, headers=gateway.headers
    ).json()
    assert answer == {"active": False}
