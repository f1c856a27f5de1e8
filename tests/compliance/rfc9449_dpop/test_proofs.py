"""RFC 9449 §4.3, §5: which proofs a token request may come with."""

import time

import jwt
import pytest

from ims.dpop.nonces import get_nonce
from ims.models import AccessToken
from tests.factories.identity import make_client
from tests.factories.keys import ISSUER, SigningKey, make_key, make_proof, make_rsa

TOKEN = "/oauth/token"
ALL_ALGORITHMS = ["ES256", "ES384", "RS256", "PS256", "EdDSA"]


@pytest.fixture
def app():
    return make_client(scopes=["orders:read"])


def ask(dpop, app, proof):
    return dpop.post(TOKEN, app, proof=proof, grant_type="client_credentials")


def proof_of(key, **changes):
    return make_proof(key, TOKEN, **({"nonce": get_nonce()} | changes))


def is_invalid(response):
    document = response.json()
    return (response.status_code, document["error"]) == (400, "invalid_dpop_proof")


@pytest.mark.compliance("RFC 9449", "5", "a token asked for with a proof is bound to its key")
@pytest.mark.parametrize("algorithm", ALL_ALGORITHMS)
def test_token_is_bound_to_the_key(dpop, app, algorithm):
    key = make_key(algorithm)

    response = ask(dpop, app, proof_of(key))

    assert response.status_code == 200, response.content
    assert response.json()["token_type"] == "DPoP"
    assert AccessToken.objects.get().dpop_jkt == key.thumbprint


@pytest.mark.compliance("RFC 9864", "2.2", "Ed25519 is known by its fully-specified name")
def test_ed25519_by_either_name_is_the_same_key(dpop, app):
    key = make_key("EdDSA")

    response = ask(dpop, app, proof_of(key, header={"alg": "Ed25519"}))

    assert response.status_code == 200, response.content
    assert AccessToken.objects.get().dpop_jkt == key.thumbprint


def test_token_without_a_proof_is_a_bearer_token(client, app):
    response = client.post(
        TOKEN,
        "grant_type=client_credentials",
        content_type="application/x-www-form-urlencoded",
        headers=app.headers,
    )

    assert response.json()["token_type"] == "Bearer"
    assert AccessToken.objects.get().dpop_jkt == ""


@pytest.mark.compliance("RFC 9449", "4.3 (1)", "one DPoP header only")
def test_two_proofs_are_refused(dpop, app, key):
    assert is_invalid(ask(dpop, app, f"{proof_of(key)}, {proof_of(key)}"))


@pytest.mark.compliance("RFC 9449", "4.3 (2)", "the proof is one well-formed JWT")
@pytest.mark.parametrize("proof", ["x", "a.b.c", "e30.e30.e30", "W10.e30.AA", "a" * 9000, "\xe9"])
def test_malformed_proof_is_refused(dpop, app, proof):
    assert is_invalid(ask(dpop, app, proof))


@pytest.mark.compliance("RFC 9449", "4.3 (3)", "all required claims are there")
@pytest.mark.parametrize("claim", ["jti", "htm", "htu", "iat"])
@pytest.mark.parametrize("value", [None, "", [], {}, True, "x" * 5000])
def test_missing_or_odd_claim_is_refused(dpop, app, key, claim, value):
    assert is_invalid(ask(dpop, app, proof_of(key, **{claim: value})))


@pytest.mark.compliance("RFC 9449", "4.3 (4)", "typ is dpop+jwt")
@pytest.mark.parametrize("typ", [None, "JWT", "dpop+jws", "at+jwt", "", 7])
def test_other_type_is_refused(dpop, app, key, typ):
    assert is_invalid(ask(dpop, app, proof_of(key, header={"typ": typ})))


@pytest.mark.compliance("RFC 9449", "4.3 (5)", "alg is an asymmetric algorithm that we take")
def test_none_and_mac_are_refused(dpop, app, key):
    claims = {
        "jti": "a",
        "htm": "POST",
        "htu": f"{ISSUER}{TOKEN}",
        "iat": int(time.time()),
        "nonce": get_nonce(),
    }
    header = {"typ": "dpop+jwt", "jwk": key.jwk}
    secret_header = {"typ": "dpop+jwt", "jwk": {"kty": "oct", "k": "c2VjcmV0"}}

    assert is_invalid(ask(dpop, app, jwt.encode(claims, None, "none", headers=header)))
    assert is_invalid(ask(dpop, app, jwt.encode(claims, key.jwk["x"], "HS256", headers=header)))
    mac = jwt.encode(claims, "x" * 64, "HS256", headers=secret_header)
    assert is_invalid(ask(dpop, app, mac))
    assert is_invalid(ask(dpop, app, proof_of(make_key("ES512"))))


def test_weak_key_is_refused(dpop, app):
    weak = SigningKey(make_rsa(1024), "RS256")

    assert is_invalid(ask(dpop, app, proof_of(weak)))


@pytest.mark.compliance("RFC 9449", "4.3 (6)", "the signature holds under the key in the header")
def test_signature_of_another_key_is_refused(dpop, app, key):
    assert is_invalid(ask(dpop, app, proof_of(key, header={"jwk": make_key().jwk})))


@pytest.mark.compliance("RFC 9449", "4.3 (7)", "the key in the header is no private key")
def test_private_key_in_the_header_is_refused(dpop, app, key):
    assert is_invalid(ask(dpop, app, proof_of(key, header={"jwk": key.private_jwk})))


@pytest.mark.parametrize("jwk", [None, "x", [], {}, {"kty": "EC", "crv": "P-256", "x": "AA"}])
def test_missing_or_malformed_key_is_refused(dpop, app, key, jwk):
    assert is_invalid(ask(dpop, app, proof_of(key, header={"jwk": jwk})))


@pytest.mark.compliance("RFC 9449", "4.3 (8)", "htm is the request's method")
@pytest.mark.parametrize("method", ["GET", "post", "PUT"])
def test_other_method_is_refused(dpop, app, key, method):
    assert is_invalid(ask(dpop, app, proof_of(key, method=method)))


@pytest.mark.compliance("RFC 9449", "4.3 (9)", "htu is the request's address")
@pytest.mark.parametrize(
    "address",
    [
        "/oauth/token",
        "http://localhost:8000/oauth/par",
        "http://localhost:8000/oauth/token/",
        "http://localhost:8000/",
        "https://localhost:8000/oauth/token",
        "http://localhost/oauth/token",
        "http://evil.example:8000/oauth/token",
        "http://localhost:8000@evil.example/oauth/token",
        "http://user@localhost:8000/oauth/token",
        "http://localhost:8000/OAUTH/TOKEN",
        "http://[localhost:8000/oauth/token",
    ],
)
def test_other_address_is_refused(dpop, app, key, address):
    assert is_invalid(ask(dpop, app, proof_of(key, htu=address)))


@pytest.mark.compliance("RFC 9449", "4.3 (9)", "htu ignores query and fragment, and is normalised")
@pytest.mark.parametrize(
    "address",
    [
        "http://localhost:8000/oauth/token?a=b",
        "http://localhost:8000/oauth/token#part",
        "HTTP://LocalHost:8000/oauth/token",
        "http://localhost:8000/oauth/%74oken",
    ],
)
def test_same_address_in_another_spelling_is_taken(dpop, app, key, address):
    assert ask(dpop, app, proof_of(key, htu=address)).status_code == 200


@pytest.mark.compliance("RFC 9449", "11.1", "a proof is good for one use")
def test_proof_is_good_for_one_use(dpop, app, key):
    proof = proof_of(key)

    first, second = ask(dpop, app, proof), ask(dpop, app, proof)

    assert first.status_code == 200
    assert is_invalid(second)


def test_two_keys_may_choose_the_same_jti(dpop, app, key):
    assert ask(dpop, app, proof_of(key, jti="a")).status_code == 200
    assert ask(dpop, app, proof_of(make_key(), jti="a")).status_code == 200


def test_replay_that_cannot_be_checked_is_refused(dpop, app, key, settings):
    settings.CACHES = {
        "default": settings.CACHES["default"] | {"LOCATION": "redis://127.0.0.1:1/0"}
    }

    response = ask(dpop, app, proof_of(key))

    assert (response.status_code, response.json()["error"]) == (503, "temporarily_unavailable")


def test_refused_client_does_not_use_up_its_proof(dpop, app, key):
    proof = proof_of(key)
    app_with_wrong_secret = type(app)(app.client, "tgcs_wrong")

    assert ask(dpop, app_with_wrong_secret, proof).status_code == 401
    assert ask(dpop, app, proof).status_code == 200


@pytest.mark.compliance("RFC 9449", "5.2", "clients registered for bound tokens send a proof")
def test_registered_client_gets_no_bearer_token(client, dpop, key):
    app = make_client(scopes=["orders:read"], metadata={"dpop_bound_access_tokens": True})
    response = client.post(
        TOKEN,
        "grant_type=client_credentials",
        content_type="application/x-www-form-urlencoded",
        headers=app.headers,
    )

    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")
    assert ask(dpop, app, proof_of(key)).status_code == 200


def test_bound_token_takes_three_statements(dpop, app, key, django_assert_max_num_queries):
    proof = proof_of(key)

    with django_assert_max_num_queries(3):
        assert ask(dpop, app, proof).status_code == 200


@pytest.mark.compliance("RFC 9449", "5.1", "algorithms of proofs are told")
def test_discovery_names_the_algorithms(client):
    document = client.get("/.well-known/openid-configuration").json()

    assert document["dpop_signing_alg_values_supported"] == [*ALL_ALGORITHMS, "Ed25519"]
