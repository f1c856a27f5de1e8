"""Bound tokens at the gateway: RFC 9449 §7 and §9, RFC 8705 §3 with RFC 9440."""

import base64
import hashlib
import os
import time

import pytest

from gateway.counters import private_counters
from gateway.dataplane.dpop_nonces import WINDOW_SECONDS, DPoPNonces
from gateway.dataplane.possession import Possession, ReplaysUnchecked
from gateway.dataplane.trusted_hops import TrustedHops, read_networks
from gateway.replay_register import LocalReplays, SharedReplays
from tests.factories.keys import SigningKey, base64url, make_key, make_proof
from tests.unit.gateway.harness import Harness

ADDRESS = "https://gateway.test/orders/v1/orders/42"
CERTIFICATE = b"not really DER, but the same bytes on both sides"
THUMBPRINT = base64url(hashlib.sha256(CERTIFICATE).digest())
CLIENT_CERT = b":" + base64.b64encode(CERTIFICATE) + b":"
NONCES = DPoPNonces(b"a secret of the tests")
EDGE = "10.0.0.1"


@pytest.fixture
def key() -> SigningKey:
    return make_key()


@pytest.fixture
def token(gateway, key):
    return gateway.authority.issue(cnf={"jkt": key.thumbprint})


def proof_of(key, token, **changes):
    known = {"method": "GET", "token": token.decode(), "htu": ADDRESS}
    if "ago" in changes:
        changes = {"iat": int(time.time()) - changes["ago"]}
    return make_proof(key, "", **(known | changes)).encode()


async def send(gateway, token, *proofs, **extra):
    headers = [(b"dpop", proof) for proof in proofs]
    return await gateway.call(token=token, scheme=b"DPoP", headers=headers, **extra)


def challenge(answer) -> str:
    assert answer.status == 401
    return answer.value("www-authenticate")


@pytest.mark.compliance("RFC 9449", "7.1", "a bound token with its proof is taken")
async def test_the_upstream_gets_the_jwt_as_bearer_and_no_proof(gateway, upstream, key, token):
    answers = [await send(gateway, token, proof_of(key, token)) for _ in range(3)]

    assert [answer.status for answer in answers] == [200, 200, 200]
    assert len(gateway.authority.asked) == 1
    jwt = gateway.authority.live[token].decode()
    assert upstream.last.values("authorization") == [f"Bearer {jwt}"]
    assert upstream.last.values("dpop") == []


@pytest.mark.compliance("RFC 9449", "7.2", "a bound token is not taken as a bearer token")
@pytest.mark.parametrize("is_warm", [False, True])
async def test_a_bound_token_is_refused_as_bearer(gateway, upstream, key, token, is_warm):
    if is_warm:
        assert (await send(gateway, token, proof_of(key, token))).status == 200
    calls = len(upstream.requests)

    answer = await gateway.call(token=token, headers=[(b"dpop", proof_of(key, token))])

    told = challenge(answer)
    assert told.startswith('DPoP realm="tollgate", error="invalid_token"')
    assert told.endswith('algs="ES256 ES384 RS256 PS256 EdDSA Ed25519"')
    assert "resource_metadata=" in told
    assert len(upstream.requests) == calls


@pytest.mark.parametrize("is_warm", [False, True])
async def test_a_bearer_token_is_refused_as_dpop(gateway, key, is_warm):
    token = gateway.authority.issue()
    if is_warm:
        assert (await gateway.call(token=token)).status == 200

    told = challenge(await send(gateway, token, proof_of(key, token)))

    assert told.startswith("DPoP ")
    assert 'error="invalid_token"' in told


@pytest.mark.compliance("RFC 9449", "4.3", "every claim of a proof is checked")
@pytest.mark.parametrize(
    "changes",
    [
        {"htm": "POST"},
        {"htu": "https://gateway.test/orders/v1/orders/43"},
        {"htu": "https://evil.test/orders/v1/orders/42"},
        {"htu": "http://gateway.test/orders/v1/orders/42"},
        {"htu": "nonsense"},
        {"ath": base64url(hashlib.sha256(b"another token").digest())},
        {"ath": None},
        {"jti": None},
        {"ago": 120},
        {"ago": -60},
        {"iat": "now"},
        {"header": {"typ": "JWT"}},
        {"header": {"jwk": None}},
        {"header": {"alg": "none"}},
        {"header": {"alg": "HS256"}},
        {"header": {"crit": ["x"]}},
    ],
)
async def test_a_proof_that_does_not_fit_is_refused(gateway, upstream, key, token, changes):
    answer = await send(gateway, token, proof_of(key, token, **changes))

    assert 'error="invalid_dpop_proof"' in challenge(answer)
    assert answer.problem["type"] == "/problems/invalid-dpop-proof"
    assert not upstream.requests


async def test_a_proof_of_another_key_is_refused(gateway, token):
    told = challenge(await send(gateway, token, proof_of(make_key(), token)))

    assert 'error="invalid_token"' in told


async def test_a_proof_with_a_broken_signature_is_refused(gateway, key, token):
    head, claims, _ = proof_of(key, token).split(b".")
    other = proof_of(key, token).split(b".")[2]

    told = challenge(await send(gateway, token, b".".join([head, claims, other])))

    assert 'error="invalid_dpop_proof"' in told


@pytest.mark.compliance("RFC 9449", "4.3", "there is exactly one proof")
@pytest.mark.parametrize("count", [0, 2])
async def test_none_and_two_proofs_are_refused(gateway, key, token, count):
    proofs = [proof_of(key, token) for _ in range(count)]

    assert 'error="invalid_dpop_proof"' in challenge(await send(gateway, token, *proofs))


@pytest.mark.compliance("RFC 9449", "11.1", "a proof is good for one request")
async def test_a_proof_is_not_taken_twice(gateway, key, token):
    proof = proof_of(key, token)

    assert (await send(gateway, token, proof)).status == 200
    assert "used before" in challenge(await send(gateway, token, proof))


async def test_query_and_default_port_make_no_difference_to_the_address(gateway, key, token):
    proof = proof_of(key, token, htu="HTTPS://GATEWAY.test:443/orders/v1/orders/%34%32?x=1#y")

    answer = await send(gateway, token, proof, path="/orders/v1/orders/42?page=2")

    assert answer.status == 200


async def test_the_public_address_of_the_gateway_will_do(gateway, key, token):
    gateway.plane.hosts = frozenset({"gateway.test", "internal.test"})

    answer = await send(gateway, token, proof_of(key, token), host=b"internal.test:8443")

    assert answer.status == 200


@pytest.mark.compliance("RFC 9449", "9", "a resource server hands out nonces")
async def test_a_call_without_nonce_is_told_the_present_one(gateway, key, token):
    first = await send(gateway, token, proof_of(key, token))
    nonce = first.value("dpop-nonce")
    second = await send(gateway, token, proof_of(key, token, nonce=nonce))

    assert (first.status, second.status) == (200, 200)
    assert second.values("dpop-nonce") == []


@pytest.mark.compliance("RFC 9449", "9", "use_dpop_nonce comes with the nonce")
async def test_an_api_can_insist_on_a_nonce(gateway, key, token):
    gateway.configure(requires_dpop_nonce=True)

    refused = await send(gateway, token, proof_of(key, token))
    nonce = refused.value("dpop-nonce")
    # The nonce says when it was signed, so the client's clock does not matter.
    answer = await send(gateway, token, proof_of(key, token, nonce=nonce, iat=1))

    assert 'error="use_dpop_nonce"' in challenge(refused)
    assert refused.problem["type"] == "/problems/use-dpop-nonce"
    assert answer.status == 200


async def test_a_nonce_of_somebody_else_is_refused(gateway, key, token):
    answer = await send(gateway, token, proof_of(key, token, nonce="x" * 22))

    assert 'error="use_dpop_nonce"' in challenge(answer)
    assert answer.value("dpop-nonce")


def test_a_nonce_lives_two_windows_and_is_the_same_for_all_workers(monkeypatch):
    other = DPoPNonces(b"a secret of the tests")
    now = time.time()
    nonce = NONCES.latest()

    for later, is_good in ((0, True), (WINDOW_SECONDS, True), (2 * WINDOW_SECONDS, False)):
        monkeypatch.setattr("gateway.dataplane.dpop_nonces.time.time", lambda t=now + later: t)
        assert other.is_ours(nonce) is is_good
    assert not DPoPNonces(b"another secret").is_ours(nonce)


@pytest.mark.parametrize("algorithm", ["ES384", "RS256", "PS256", "EdDSA"])
async def test_every_algorithm_that_is_told_is_taken(gateway, algorithm):
    key = make_key(algorithm)
    token = gateway.authority.issue(cnf={"jkt": key.thumbprint})

    assert (await send(gateway, token, proof_of(key, token))).status == 200


# --- replays ----------------------------------------------------------------------------------


async def test_workers_share_their_memory_of_proofs():
    url = os.environ["REDIS_URL"]
    first, second = (SharedReplays(redis_url=url, counters=private_counters()) for _ in range(2))
    proof = hashlib.sha256(str(time.time_ns()).encode()).digest()

    answers = [await first.is_first_use(proof, 5), await second.is_first_use(proof, 5)]

    assert answers == [True, False]
    for register in (first, second):
        await register.close()


async def test_without_valkey_each_worker_remembers_for_itself_and_says_so():
    counters = private_counters()
    register = SharedReplays(redis_url="redis://127.0.0.1:1", counters=counters)

    answers = [await register.is_first_use(proof, 5) for proof in (b"a", b"a", b"b")]

    assert answers == [True, False, True]
    assert counters.read("dpop_replays_local") == 2
    await register.close()


async def test_a_full_memory_refuses_what_it_could_not_remember(gateway, key, token):
    full = LocalReplays(most=1)
    await full.is_first_use(b"x", 60)
    with pytest.raises(ReplaysUnchecked):
        await full.is_first_use(b"y", 60)
    gateway.exchange.possession = Possession(nonces=NONCES, replays=full)

    answer = await send(gateway, token, proof_of(key, token))

    assert answer.status == 503
    assert answer.value("retry-after") == "1"


def test_a_memory_that_others_share_forgets_the_oldest():
    memory = LocalReplays(most=2)

    assert all(memory.note(name, 60, may_forget=True) for name in (b"a", b"b", b"c"))
    assert not memory.note(b"c", 60, may_forget=True)


# --- certificates -----------------------------------------------------------------------------


@pytest.fixture
async def behind(upstream):
    """A gateway behind a proxy that it trusts."""
    harness = Harness(upstream.url, hops=TrustedHops(read_networks("10.0.0.0/8")))
    harness.configure()
    yield harness
    await harness.upstreams.close()


def cert_token(gateway):
    return gateway.authority.issue(cnf={"x5t#S256": THUMBPRINT})


@pytest.mark.compliance("RFC 8705", "3", "the certificate's thumbprint is compared")
@pytest.mark.compliance("RFC 9440", "2.2", "the certificate comes as a byte sequence")
async def test_a_certificate_from_a_trusted_hop_is_taken(behind, upstream):
    token = cert_token(behind)
    headers = [(b"client-cert", CLIENT_CERT)]

    answers = [await behind.call(token=token, headers=headers, peer=EDGE) for _ in range(2)]

    assert [answer.status for answer in answers] == [200, 200]
    assert upstream.last.values("client-cert") == []


@pytest.mark.compliance("RFC 9440", "4", "Client-Cert of anybody else is ignored")
async def test_a_certificate_that_anybody_sends_is_worth_nothing(behind, gateway, upstream):
    headers = [(b"client-cert", CLIENT_CERT)]

    from_outside = await behind.call(token=cert_token(behind), headers=headers)
    without_hops = await gateway.call(token=cert_token(gateway), headers=headers, peer=EDGE)

    for answer in (from_outside, without_hops):
        assert 'error="invalid_token"' in challenge(answer)
    assert not upstream.requests


@pytest.mark.parametrize(
    "values",
    [
        [],
        [b""],
        [base64.b64encode(CERTIFICATE)],
        [b":" + base64.b64encode(b"another") + b":"],
        [b":" + base64.b64encode(CERTIFICATE)[:-1] + b":"],
        [b":?:"],
        [CLIENT_CERT, CLIENT_CERT],
        [b":" + base64.b64encode(b"x" * 20_000) + b":"],
    ],
)
async def test_a_certificate_that_does_not_fit_is_refused(behind, values):
    token = cert_token(behind)
    headers = [(b"client-cert", value) for value in values]

    answer = await behind.call(token=token, headers=headers, peer=EDGE)

    assert 'error="invalid_token"' in challenge(answer)


async def test_a_token_bound_twice_needs_both(behind, key):
    token = behind.authority.issue(cnf={"jkt": key.thumbprint, "x5t#S256": THUMBPRINT})
    proof, certificate = (b"dpop", proof_of(key, token)), (b"client-cert", CLIENT_CERT)

    statuses = [
        (await behind.call(token=token, scheme=scheme, headers=headers, peer=EDGE)).status
        for scheme, headers in (
            (b"DPoP", [proof]),
            (b"Bearer", [certificate]),
            (b"DPoP", [proof, certificate]),
        )
    ]

    assert statuses == [401, 401, 200]


@pytest.mark.parametrize("cnf", [{}, None, "odd", {"jwk": {}}, {"jkt": 1}, {"jkt": ""}, {"x": "y"}])
@pytest.mark.parametrize("scheme", [b"Bearer", b"DPoP"])
async def test_a_binding_that_cannot_be_checked_is_refused(gateway, upstream, key, cnf, scheme):
    token = gateway.authority.issue(cnf=cnf)
    headers = [(b"dpop", proof_of(key, token))]

    answers = [await gateway.call(token=token, scheme=scheme, headers=headers) for _ in range(2)]

    assert [answer.status for answer in answers] == [401, 401]
    assert not upstream.requests


async def test_an_api_can_refuse_tokens_that_are_not_bound(gateway, key, token):
    gateway.configure(requires_bound_tokens=True)

    refused = await gateway.call(token=gateway.authority.issue())
    taken = await send(gateway, token, proof_of(key, token))

    assert refused.problem["type"] == "/problems/bound-token-needed"
    assert challenge(refused).startswith("DPoP ")
    assert taken.status == 200


@pytest.mark.compliance("RFC 9728", "2", "the metadata says which bindings are taken")
async def test_metadata_tells_what_is_taken(gateway, behind):
    for harness in (gateway, behind):
        harness.configure(requires_bound_tokens=True)
    address = "/.well-known/oauth-protected-resource/orders/v1"

    alone, proxied = [(await one.call(address)).body.decode() for one in (gateway, behind)]

    assert '"dpop_signing_alg_values_supported": ["ES256"' in alone
    assert '"dpop_bound_access_tokens_required": true' in alone
    assert '"tls_client_certificate_bound_access_tokens": true' in proxied
