"""Pages of browser-based public clients call these endpoints from their own origins."""

import pytest

pytestmark = pytest.mark.django_db
ORIGIN = {"Origin": "https://spa.example"}
SHARED = [
    ("/.well-known/openid-configuration", "GET"),
    ("/oauth/jwks", "GET"),
    ("/oauth/token", "POST"),
    ("/oauth/revoke", "POST"),
    ("/oauth/userinfo", "GET"),
    ("/oauth/register", "POST"),
    ("/oauth/register/some-client", "PUT"),
]


@pytest.mark.parametrize(("address", "method"), SHARED)
def test_preflight_is_answered(client, address, method):
    response = client.options(
        address,
        headers=ORIGIN
        | {
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "authorization, dpop, content-type",
        },
    )

    assert response.status_code == 204
    assert response["Access-Control-Allow-Origin"] == "*"
    assert method in response["Access-Control-Allow-Methods"]
    assert response["Access-Control-Allow-Headers"] == "Authorization, *"
    assert "Access-Control-Allow-Credentials" not in response


@pytest.mark.parametrize(("address", "method"), SHARED)
def test_answers_and_refusals_are_readable(client, address, method):
    response = client.generic(method, address, headers=ORIGIN)

    assert response["Access-Control-Allow-Origin"] == "*"
    assert "DPoP-Nonce" in response["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Credentials" not in response


@pytest.mark.parametrize(
    "address", ["/oauth/authorize", "/oauth/introspect", "/oauth/protected-resources"]
)
def test_what_servers_and_people_call_is_not_shared(client, address):
    response = client.options(address, headers=ORIGIN)

    assert response.status_code == 405
    assert "Access-Control-Allow-Origin" not in response
