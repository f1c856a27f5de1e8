"""`python -m gateway` in front of another vendor's introspection endpoint, two workers."""

import json

import jwt
import pytest

from tests.unit.gateway.fake_authority import AuthorityServer, eventually
from tests.unit.gateway.gateway_process import Echo, Gateway, make_certificate, make_snapshot
from tests.unit.gateway.harness import RESOURCE

PATH = "/orders/v1/orders/42"


@pytest.fixture
def authority():
    server = AuthorityServer()
    yield server
    server.close()


def answer_json(authority, **members):
    body = json.dumps({"active": True, "client_id": "client-1", "scope": "orders:read"} | members)
    fields = {"content-type": "application/json", "cache-control": "max-age=60"}
    authority.introspection = (200, fields, body.encode())


@pytest.fixture
def gateway(authority, tmp_path):
    make_certificate(tmp_path / "tls")
    echo = Echo()
    authority.publish(make_snapshot(2, echo.url))
    running = Gateway(
        tmp_path,
        authority.url,
        TOLLGATE_GATEWAY_URL="https://gateway.example",
        TOLLGATE_GATEWAY_HOSTS="localhost",
        TOLLGATE_GATEWAY_INTROSPECTION_ISSUER=authority.url,
        TOLLGATE_GATEWAY_INTROSPECTION_CLIENT_ID="us",
        TOLLGATE_GATEWAY_INTROSPECTION_CLIENT_SECRET="secret",
    )
    yield running.start()
    assert running.stop() == 0
    echo.close()


def test_all_workers_make_jwts_that_one_published_key_verifies(gateway, authority):
    answer_json(authority)
    key_sets = {gateway.get("/.well-known/jwks.json")[1] for _ in range(12)}
    (keys,) = key_sets

    for number in range(6):
        status, body = gateway.get(PATH, f"opaque-{number}")
        assert status == 200, body
        head = json.loads(body)["head"]
        made = next(
            line.partition("Bearer ")[2]
            for line in head.splitlines()
            if line.lower().startswith("authorization:")
        )
        key = jwt.PyJWKSet.from_dict(json.loads(keys)).keys[0]
        claims = jwt.decode(
            made, key, ["ES256"], audience=RESOURCE, issuer="https://gateway.example"
        )
        assert claims["client_id"] == "client-1"
        assert f"opaque-{number}" not in head
    assert "/oauth/revocations" not in authority.paths()


def test_what_the_other_vendor_refuses_is_401_and_its_outage_503(gateway, authority):
    answer_json(authority, active=False)
    assert gateway.get(PATH, "opaque-dead")[0] == 401

    authority.introspection = (401, {}, b"")
    assert gateway.get(PATH, "opaque-unknown")[0] == 503
    alert = 'alert{alert="credentials_refused"} 1'
    assert eventually(lambda: alert in gateway.admin("/-/metrics")[1])
