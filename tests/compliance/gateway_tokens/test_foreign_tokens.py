"""JWT access tokens of other issuers (RFC 9068), with their keys fetched from a real server."""

import asyncio
import time
from dataclasses import replace

import pytest

from gateway import issuer_keys
from tests.factories.keys import make_key, make_proof
from tests.unit.gateway.harness import RESOURCE
from tests.unit.gateway.issuer_server import IssuerServer
from wire.gateway_snapshot import ForeignClient, Issuer, Subscription

SUBSCRIPTIONS = (
    Subscription("sub-1", "client-1", "plan-1"),
    Subscription("sub-2", "partner:their-client", "plan-1"),
)


@pytest.fixture
def server():
    running = IssuerServer()
    yield running
    running.close()


@pytest.fixture
def issuer(server):
    return Issuer("issuer-1", "partner", server.url)


@pytest.fixture
async def gateway(gateway, issuer):
    gateway.configure(issuers=(issuer,), subscriptions=SUBSCRIPTIONS)
    yield gateway
    await gateway.keys.close()


def reconfigure(gateway, issuer, /, **changes):
    gateway.configure(issuers=(replace(issuer, **changes),), subscriptions=SUBSCRIPTIONS)


@pytest.mark.compliance("RFC 9068", "4", "a token of a configured issuer is validated and taken")
async def test_a_foreign_jwt_is_forwarded_as_it_is(gateway, upstream, server):
    token = server.issue()

    answers = [await gateway.call(token=token) for _ in range(3)]

    assert [answer.status for answer in answers] == [200, 200, 200]
    assert upstream.last.values("authorization") == [f"Bearer {token.decode()}"]
    assert gateway.counters.read("foreign_tokens_verified") == 1
    assert server.asked.count("/jwks") == 1
    assert not gateway.authority.asked
    assert gateway.journal.rows[-1][0].subscription_id == "sub-2"


async def test_an_api_that_does_not_name_the_issuer_refuses_its_tokens(gateway, server):
    gateway.configure()

    answer = await gateway.call(token=server.issue())

    assert answer.status == 401
    assert not server.asked
    assert not gateway.authority.asked


async def test_our_own_tokens_go_on_beside_them(gateway):
    assert (await gateway.call(token=gateway.authority.issue())).status == 200


@pytest.mark.compliance("RFC 9068", "4", "every check of the list")
@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "https://api.test/other"},
        {"aud": None},
        {"exp": 1},
        {"exp": None},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"nbf": 99_999_999_999},
        {"client_id": None},
        {"client_id": 5},
        {"scope": 5},
        {"header": {"typ": "JWT"}},
        {"header": {"typ": "id_token+jwt"}},
        {"header": {"typ": None}},
        {"header": {"alg": "none"}},
        {"header": {"alg": "HS256"}},
        {"header": {"alg": "ES384"}},
        {"header": {"alg": "PS256"}},
        {"header": {"crit": ["b64"]}},
        {"header": {"kid": "unknown"}},
    ],
)
async def test_a_token_that_does_not_fit_is_refused(gateway, upstream, server, changes):
    answers = [await gateway.call(token=server.issue(**changes)) for _ in range(2)]

    assert [answer.status for answer in answers] == [401, 401]
    assert 'error="invalid_token"' in answers[0].value("www-authenticate")
    assert not upstream.requests


async def test_a_signature_of_another_key_is_refused(gateway, server):
    forged = server.issue(key=make_key(kid="one"))
    head, claims, _ = server.issue().split(b".")

    for token in (forged, b".".join([head, claims, forged.split(b".")[2]]), head + b"." + claims):
        assert (await gateway.call(token=token)).status in {400, 401}


async def test_an_algorithm_that_is_not_configured_is_refused(gateway, server, issuer):
    reconfigure(gateway, issuer, algorithms=("RS256",))

    assert (await gateway.call(token=server.issue())).status == 401


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "EdDSA"])
async def test_other_algorithms_are_taken_where_they_are_configured(
    gateway, server, issuer, algorithm
):
    server.key = make_key(algorithm, kid="x")
    server.jwks = server.key.jwks
    reconfigure(gateway, issuer, algorithms=(algorithm,))

    assert (await gateway.call(token=server.issue())).status == 200


async def test_a_foreign_client_cannot_pass_for_one_of_ours(gateway, server):
    answer = await gateway.call(token=server.issue(client_id="client-1"))

    assert answer.status == 403
    assert answer.problem["type"] == "/problems/not-subscribed"


async def test_a_configured_client_counts_for_its_subscription(gateway, server, issuer):
    reconfigure(gateway, issuer, clients=(ForeignClient("abc", "client-1"),))

    assert (await gateway.call(token=server.issue(client_id="abc"))).status == 200
    assert gateway.journal.rows[-1][0].subscription_id == "sub-1"


async def test_claims_and_audience_are_where_the_issuer_has_them(gateway, server, issuer):
    reconfigure(gateway, issuer, scope_claim="scp", client_id_claim="azp", audience="api://orders")
    claims = {"scope": None, "client_id": None, "azp": "their-client"}

    good = server.issue(**claims, scp=["orders:read", "x"], aud=["api://orders"])
    bad = server.issue(**claims, scp=["orders:read"], aud=RESOURCE)

    assert (await gateway.call(token=good)).status == 200
    assert (await gateway.call(token=bad)).status == 401


async def test_scopes_are_asked_for_as_ever(gateway, server):
    assert (await gateway.call(token=server.issue(scope="other"))).status == 403


@pytest.mark.parametrize("change", ["removed", "changed"])
async def test_a_change_of_the_issuer_holds_for_warm_tokens_at_once(
    gateway, server, issuer, change
):
    token = server.issue()
    assert (await gateway.call(token=token)).status == 200

    if change == "removed":
        gateway.configure(subscriptions=SUBSCRIPTIONS)
    else:
        reconfigure(gateway, issuer, algorithms=("RS256",))

    assert (await gateway.call(token=token)).status == 401


async def test_another_api_that_shares_the_resource_decides_for_itself(gateway, server, issuer):
    token = server.issue()
    assert (await gateway.call(token=token)).status == 200
    # The issuer is still known, but this API does not take it any more.
    gateway.plane.configuration.access.issuers["api-1"] = (replace(issuer, id="other"),)
    phantom = gateway.cache.find(*_key_of(gateway), time.monotonic())
    phantom.decisions.clear()

    assert (await gateway.call(token=token)).status == 401


def _key_of(gateway):
    (digest,) = gateway.cache._tokens
    return digest, RESOURCE


async def test_a_key_address_that_is_no_url_is_an_issuer_that_is_away(gateway, server, issuer):
    metadata = server.documents["/.well-known/openid-configuration"]
    server.documents["/.well-known/openid-configuration"] = {**metadata, "jwks_uri": "https://["}

    answer = await gateway.call(token=server.issue())

    assert answer.status == 503
    assert answer.value("retry-after") == "1"


async def test_an_issuer_that_hangs_keeps_no_token_waiting_whose_key_is_known(
    gateway, server, issuer
):
    assert (await gateway.call(token=server.issue())).status == 200
    known = gateway.keys._known[issuer]
    known.fresh_until, known.has_failed = 0.0, True  # five minutes later, and it was away before
    server.delay_seconds = 0.5

    assert (await gateway.call(token=server.issue())).status == 200

    assert known.reading is not None
    await known.reading
    assert not known.has_failed


async def test_a_bound_foreign_token_needs_its_proof(gateway, server):
    key = make_key()
    token = server.issue(cnf={"jkt": key.thumbprint})
    address = "https://gateway.test/orders/v1/orders/42"
    proof = make_proof(key, "", method="GET", token=token.decode(), htu=address).encode()

    bearer = await gateway.call(token=token)
    dpop = await gateway.call(token=token, scheme=b"DPoP", headers=[(b"dpop", proof)])

    assert (bearer.status, dpop.status) == (401, 200)


async def test_a_revoked_digest_is_refused_though_it_is_a_jwt(gateway, server):
    token = server.issue()
    await gateway.call(token=token)

    gateway.cache.revoke([_key_of(gateway)[0]], time.monotonic())

    assert (await gateway.call(token=token)).status == 401


async def test_the_metadata_names_the_issuer_as_an_authorization_server(gateway, server):
    answer = await gateway.call("/.well-known/oauth-protected-resource/orders/v1")

    assert server.url in answer.body.decode()


# --- keys -------------------------------------------------------------------------------------


async def test_a_new_key_is_fetched_when_a_token_names_it(gateway, server, monkeypatch):
    await gateway.call(token=server.issue())
    server.rotate()
    monkeypatch.setattr(issuer_keys, "COOLDOWN_SECONDS", 0.0)

    assert (await gateway.call(token=server.issue())).status == 200
    assert server.asked.count("/jwks") == 2


async def test_unknown_keys_do_not_make_us_ask_again_and_again(gateway, server):
    for number in range(20):
        answer = await gateway.call(token=server.issue(header={"kid": f"k{number}"}))
        assert answer.status == 401

    assert server.asked.count("/jwks") == 1


async def test_many_first_calls_read_the_keys_once(gateway, server):
    server.delay_seconds = 0.05

    answers = await asyncio.gather(*(gateway.call(token=server.issue()) for _ in range(10)))

    assert {answer.status for answer in answers} == {200}
    assert server.asked.count("/jwks") == 1


@pytest.mark.parametrize("is_known", [False, True])
async def test_while_the_issuer_is_away_known_keys_are_used(gateway, server, monkeypatch, is_known):
    if is_known:
        await gateway.call(token=server.issue())
    for known in gateway.keys._known.values():
        known.fresh_until = 0.0
    server.status = 500

    answer = await gateway.call(token=server.issue())

    assert answer.status == (200 if is_known else 503)
    if not is_known:
        assert answer.value("retry-after") == "1"
        assert gateway.counters.read("foreign_keys_unavailable") == 1
    monkeypatch.setattr(issuer_keys, "COOLDOWN_SECONDS", 0.0)
    unknown = await gateway.call(token=server.issue(header={"kid": "new"}))
    assert unknown.status == 503


async def test_a_withdrawn_key_ends_with_the_key_set(gateway, server):
    old = server.key
    await gateway.call(token=server.issue())
    server.rotate()
    for known in gateway.keys._known.values():
        known.fresh_until = 0.0

    assert (await gateway.call(token=server.issue(key=old))).status == 401


@pytest.mark.parametrize(
    "jwks", [b"{", b"[]", b"{}", {"keys": 5}, b'{"keys": [' + b" " * 300_000 + b"]}"]
)
async def test_a_key_set_that_is_none_is_503(gateway, server, jwks):
    server.jwks = jwks

    assert (await gateway.call(token=server.issue())).status == 503


@pytest.mark.parametrize(
    "changes",
    [{"issuer": "https://evil.example"}, {"jwks_uri": "http://evil.example/"}, {"jwks_uri": None}],
)
async def test_metadata_that_is_not_the_issuers_is_503(gateway, server, changes):
    server.documents["/.well-known/openid-configuration"] |= changes

    assert (await gateway.call(token=server.issue())).status == 503


async def test_an_issuer_cannot_make_us_ask_our_neighbours(gateway, server):
    neighbour = server.url.replace("127.0.0.1", "localhost")
    server.documents["/.well-known/openid-configuration"] |= {"jwks_uri": f"{neighbour}/jwks"}

    assert (await gateway.call(token=server.issue())).status == 503
    assert "/jwks" not in server.asked


async def test_an_administrator_may_name_a_neighbour(gateway, server, issuer):
    neighbour = server.url.replace("127.0.0.1", "localhost")
    reconfigure(gateway, issuer, jwks_uri=f"{neighbour}/jwks")

    assert (await gateway.call(token=server.issue())).status == 200


async def test_a_configured_key_address_needs_no_discovery(gateway, server, issuer):
    server.documents.clear()
    reconfigure(gateway, issuer, jwks_uri=f"{server.url}/jwks")

    assert (await gateway.call(token=server.issue())).status == 200


async def test_an_issuer_with_a_path_is_found_both_ways(gateway, server, issuer):
    name = f"{server.url}/tenant"
    document = {"issuer": name, "jwks_uri": f"{server.url}/jwks"}
    reconfigure(gateway, issuer, issuer=name)

    for address in (
        "/.well-known/oauth-authorization-server/tenant",
        "/tenant/.well-known/openid-configuration",
    ):
        server.documents = {address: document}
        gateway.keys.keep_only(frozenset())
        assert (await gateway.call(token=server.issue(iss=name))).status == 200
