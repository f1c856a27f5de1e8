"""A token bound to a client's key, from the real token service through the gateway to an API."""

import time

import httpx
import pytest

from tests.factories.keys import make_key, make_proof

pytestmark = pytest.mark.live
PATH = "/orders/v1/orders/42"


@pytest.fixture(scope="module")
def app(stack):
    return stack.new_application(plan="scale")


@pytest.fixture(scope="module")
def key():
    return make_key()


@pytest.fixture(scope="module")
def token(stack, app, key):
    """A token bound to `key`; the token service asks for its nonce first (RFC 9449 §8)."""
    address = f"{stack.issuer}/oauth/token"
    form = {
        "grant_type": "client_credentials",
        "scope": "orders:read",
        "resource": stack.quickstart["client"]["resource"],
    }
    credentials = (app.credentials["client_id"], app.credentials["client_secret"])
    nonce = None
    for _ in range(2):
        proof = make_proof(key, "", htu=address, nonce=nonce)
        answer = httpx.post(
            address, data=form, auth=credentials, headers={"DPoP": proof}, timeout=15
        )
        nonce = answer.headers.get("dpop-nonce")
    assert answer.status_code == 200, answer.text
    assert answer.json()["token_type"] == "DPoP"
    return answer.json()["access_token"]


def call(stack, token, key, **changes):
    claims = {"method": "GET", "htu": stack.gateway_url + PATH, "token": token} | changes
    headers = {"Authorization": f"DPoP {token}", "DPoP": make_proof(key, "", **claims)}
    return stack.call("GET", PATH, headers=headers)


def test_the_api_gets_a_bearer_jwt_that_names_the_key(stack, token, key):
    answer = call(stack, token, key)

    assert answer.status_code == 200, answer.text
    received = answer.json()["received"]
    assert received["claims"]["cnf"] == {"jkt": key.thumbprint}
    seen = {name.lower(): value for name, value in received["headers"].items()}
    assert "dpop" not in seen
    assert token not in answer.text


def test_whoever_stole_it_has_nothing(stack, token):
    as_bearer = stack.call("GET", PATH, token=token)
    with_own_key = call(stack, token, make_key())

    for answer in (as_bearer, with_own_key):
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("DPoP ")


def test_what_an_administrator_asks_for_is_enforced_within_a_second(stack):
    api = stack.new_api(stack.demo_url)
    path, opaque = f"{api.base_path}/orders/42", api.token()
    before = stack.call("GET", path, token=opaque)
    # The demo refuses the JWT of an API that it does not know, which shows that it came that far.
    assert "insufficient" not in before.headers.get("www-authenticate", "")

    stack.ask("apply", DEMANDS.format(slug=api.slug))
    time.sleep(1)
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "GET"}
    answer = stack.call("GET", path, token=opaque, headers=asked)
    preflight = stack.call("OPTIONS", path, headers=asked)

    assert answer.status_code == 401
    assert 'acr_values="urn:example:mfa", max_age="60"' in answer.headers["www-authenticate"]
    assert preflight.status_code == 204
    for one in (answer, preflight):
        assert one.headers["access-control-allow-origin"] == "https://app.example"
    api.retire()


DEMANDS = """
apis:
  - slug: {slug}
    name: {slug}
    base_path: /{slug}
    upstream: {slug}
    acr_values: ["urn:example:mfa"]
    max_auth_age_seconds: 60
    cors: {{origins: ["https://app.example"]}}
    scopes:
      - name: {slug}:use
    operations:
      - operation_id: any
        method: "*"
        path: /{{rest*}}
        scopes: ["{slug}:use"]
"""
