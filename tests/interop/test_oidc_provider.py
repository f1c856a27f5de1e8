"""The gateway in front of a token service that is not ours: panva's oidc-provider."""

import json
import os
import subprocess
import threading

import httpx
import jwt
import pytest

from gateway.config import IntrospectionSettings
from gateway.dataplane.minted_jwt import JWTMint
from gateway.foreign_authority import ForeignAuthority
from gateway.signing_key import load_signing_key
from tests.factories.keys import make_key, make_proof
from tests.interop.node_scenario import FOLDER
from tests.unit.gateway.harness import RESOURCE, Harness
from tests.unit.gateway.raw_upstream import run_raw_upstream
from wire.gateway_snapshot import Issuer, Subscription

pytestmark = pytest.mark.node

GATEWAY = "https://gateway.test"
GATEWAY_SECRET, CLIENT_SECRET = "gateway-secret-of-a-test", "client-secret-of-a-test"
CLIENTS = ("app", "bound", "panva:app")


class Provider:
    """A running oidc-provider."""

    def __init__(self):
        self._process = subprocess.Popen(
            ["node", "oidc-provider/server.mjs"],
            cwd=FOLDER,
            env={
                "PATH": os.environ["PATH"],
                "GATEWAY_SECRET": GATEWAY_SECRET,
                "CLIENT_SECRET": CLIENT_SECRET,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        watch = threading.Timer(30, self._process.kill)
        watch.start()
        # It writes warnings to standard output as well.
        port = next((line for line in self._process.stdout if line.strip().isdigit()), None)
        watch.cancel()
        assert port is not None, "oidc-provider did not start"
        self.url = f"http://127.0.0.1:{port.strip()}"

    def token(self, client_id="app", *, resource=RESOURCE, headers=None) -> bytes:
        form = {"grant_type": "client_credentials", "scope": "orders:read", "resource": resource}
        answer = httpx.post(
            f"{self.url}/token",
            data=form,
            auth=(client_id, CLIENT_SECRET),
            headers=headers,
            timeout=15,
        )
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"].encode()

    def revoke(self, token: bytes) -> None:
        answer = httpx.post(
            f"{self.url}/token/revocation",
            data={"token": token.decode()},
            auth=("app", CLIENT_SECRET),
            timeout=15,
        )
        assert answer.status_code == 200, answer.text

    def stop(self) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=15)
        self._process.stdout.close()


@pytest.fixture(scope="module")
def provider():
    running = Provider()
    yield running
    running.stop()


@pytest.fixture
async def upstream():
    async with run_raw_upstream() as running:
        yield running


@pytest.fixture
async def make_gateway(provider, upstream, tmp_path):
    made = []

    def make(*, secret=GATEWAY_SECRET, **settings):
        authority = ForeignAuthority(
            IntrospectionSettings(
                issuer=provider.url,
                url="",
                client_id="gateway",
                client_secret=secret,
                ca_pem="",
                **settings,
            )
        )
        mint = JWTMint(load_signing_key(tmp_path / "key.pem"), GATEWAY)
        gateway = Harness(upstream.url, authority=authority, issuer=provider.url, mint=mint)
        gateway.plane.any_token_format = True
        configure(gateway)
        made.append(gateway)
        return gateway

    yield make
    for gateway in made:
        await gateway.upstreams.close()
        await gateway.authority.close()
        await gateway.keys.close()


def configure(gateway, **settings):
    rows = [Subscription(f"sub-{at}", name, "plan-1") for at, name in enumerate(CLIENTS)]
    gateway.configure(subscriptions=rows, **settings)


@pytest.mark.parametrize("form", ["json", "jwt"])
async def test_the_upstream_gets_a_jwt_that_the_gateway_made(
    make_gateway, provider, upstream, form
):
    gateway = make_gateway(form=form)
    token = provider.token()

    answer = await gateway.call(token=token)

    assert answer.status == 200, answer.body
    assert token not in upstream.last.head
    made = upstream.last.values("authorization")[0].removeprefix("Bearer ")
    keys = json.loads((await gateway.call("/.well-known/jwks.json")).body)
    claims = jwt.decode(
        made,
        jwt.PyJWKSet.from_dict(keys).keys[0],
        algorithms=["ES256"],
        audience=RESOURCE,
        issuer=GATEWAY,
        options={"require": ["iss", "sub", "aud", "exp", "iat", "jti"]},
    )
    assert jwt.get_unverified_header(made)["typ"] == "at+jwt"
    assert (claims["client_id"], claims["sub"], claims["scope"]) == ("app", "app", "orders:read")
    assert claims["exp"] - claims["iat"] <= 300


async def test_no_store_is_respected_unless_the_operator_says_otherwise(make_gateway, provider):
    token = provider.token()
    counted = {}

    for max_age in (None, 60.0):
        gateway = make_gateway(max_age_seconds=max_age)
        for _ in range(3):
            assert (await gateway.call(token=token)).status == 200
        counted[max_age] = gateway.counters.read("introspections")

    assert counted == {None: 3, 60.0: 1}


async def test_junk_and_revoked_tokens_are_401(make_gateway, provider):
    gateway = make_gateway()
    token = provider.token()
    assert (await gateway.call(token=token)).status == 200

    provider.revoke(token)

    for dead in (token, b"junk"):
        answer = await gateway.call(token=dead)
        assert answer.status == 401
        assert 'error="invalid_token"' in answer.value("www-authenticate")
        assert "resource_metadata=" in answer.value("www-authenticate")


async def test_a_token_for_another_resource_is_never_taken(make_gateway, provider, upstream):
    gateway = make_gateway()

    for _ in range(6):
        answer = await gateway.call(token=provider.token(resource="https://api.test/other"))
        assert answer.status == 401

    assert not upstream.requests
    assert (await gateway.call(token=provider.token())).status == 200


async def test_a_bound_token_needs_its_proof(make_gateway, provider):
    gateway = make_gateway()
    key = make_key()
    token = provider.token(
        "bound", headers={"DPoP": make_proof(key, "", htu=f"{provider.url}/token")}
    )
    proof = make_proof(
        key, "", method="GET", htu=f"{GATEWAY}/orders/v1/orders/42", token=token.decode()
    )

    bearer = await gateway.call(token=token)
    dpop = await gateway.call(token=token, scheme=b"DPoP", headers=[(b"dpop", proof.encode())])

    assert (bearer.status, dpop.status) == (401, 200)


async def test_its_jwt_access_tokens_are_taken_from_a_configured_issuer(
    make_gateway, provider, upstream
):
    gateway = make_gateway()
    audience = "https://jwt.test/orders"
    configure(gateway, issuers=(Issuer("i-1", "panva", provider.url, audience=audience),))
    token = provider.token(resource=audience)

    answer = await gateway.call(token=token)

    assert answer.status == 200, answer.body
    assert upstream.last.values("authorization") == [f"Bearer {token.decode()}"]


async def test_wrong_credentials_of_ours_are_told_and_503(make_gateway, provider):
    gateway = make_gateway(secret="wrong")

    answer = await gateway.call(token=provider.token())

    assert answer.status == 503
    assert answer.value("retry-after")
    assert gateway.counters.read("gateway_credentials_refused") == 1
