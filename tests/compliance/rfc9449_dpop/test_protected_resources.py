"""RFC 9449 §7: the token service's own protected resources."""

import time

import pytest
from django.test import RequestFactory

from ims.dpop.nonces import get_nonce
from ims.endpoints.bearer_authentication import authenticate_bearer
from tests.factories.identity import make_access_token, make_client, make_grant, make_user
from tests.factories.keys import make_key, make_proof

USERINFO = "/oauth/userinfo"
ALGS = 'algs="ES256 ES384 RS256 PS256 EdDSA Ed25519"'


@pytest.fixture
def token(key):
    app, user = make_client().client, make_user()
    grant = make_grant(app, user)
    return make_access_token(
        app, user=user, grant=grant, scopes=["openid"], resources=[], dpop_jkt=key.thumbprint
    )[0]


@pytest.fixture
def bearer_token():
    app, user = make_client().client, make_user()
    grant = make_grant(app, user)
    return make_access_token(app, user=user, grant=grant, scopes=["openid"], resources=[])[0]


def ask(client, token, proof=None, *, scheme="DPoP", method="get", address=USERINFO):
    headers = {"Authorization": f"{scheme} {token}"}
    if proof is not None:
        headers["DPoP"] = proof
    form = {"content_type": "application/x-www-form-urlencoded"} if method == "post" else {}
    return getattr(client, method)(address, headers=headers, **form)


def proof_of(key, token, **changes):
    return make_proof(key, USERINFO, **({"method": "GET", "token": token} | changes))


def refusal(response, error):
    assert response.status_code == 401, response.content
    challenge = response["WWW-Authenticate"]
    assert challenge.startswith('DPoP realm="Tollgate"'), challenge
    assert f'error="{error}"' in challenge
    assert ALGS in challenge
    assert response.json()["error"] == error
    return response


@pytest.mark.compliance("RFC 9449", "7.1", "a bound token is presented with scheme and proof")
@pytest.mark.parametrize("scheme", ["DPoP", "dpop", "DPOP"])
def test_bound_token_opens_userinfo(client, key, token, scheme):
    response = ask(client, token, proof_of(key, token), scheme=scheme)

    assert response.status_code == 200
    assert response.json()["sub"]


@pytest.mark.compliance("RFC 9449", "7.1", "a bound token is presented with scheme and proof")
def test_bound_token_opens_userinfo_by_post(client, key, token):
    proof = proof_of(key, token, method="POST")

    assert ask(client, token, proof, method="post").status_code == 200


@pytest.mark.compliance("RFC 9449", "7.2", "MUST NOT take a bound token as a bearer token")
def test_bound_token_is_no_bearer_token(client, key, token):
    refusal(ask(client, token, scheme="Bearer"), "invalid_token")
    refusal(ask(client, token, proof_of(key, token), scheme="Bearer"), "invalid_token")


@pytest.mark.compliance("RFC 9449", "7.1", "a token that is bound to no key has no proof")
def test_bearer_token_is_refused_under_the_scheme_dpop(client, key, bearer_token):
    refusal(ask(client, bearer_token, proof_of(key, bearer_token)), "invalid_token")
    assert ask(client, bearer_token, scheme="Bearer").status_code == 200


@pytest.mark.compliance("RFC 9449", "4.3 (12)", "ath names the access token")
@pytest.mark.parametrize("ath", [None, "", "x", "é"])
def test_proof_names_the_token(client, key, token, ath):
    refusal(ask(client, token, proof_of(key, token, ath=ath)), "invalid_dpop_proof")


@pytest.mark.compliance("RFC 9449", "4.3 (12)", "ath names the access token")
def test_proof_for_another_token_is_refused(client, key, token, bearer_token):
    refusal(ask(client, token, proof_of(key, bearer_token)), "invalid_dpop_proof")


@pytest.mark.compliance("RFC 9449", "4.3 (12)", "the proof's key is the token's")
def test_proof_of_another_key_is_refused(client, token):
    refusal(ask(client, token, proof_of(make_key(), token)), "invalid_dpop_proof")


@pytest.mark.compliance("RFC 9449", "7.1", "invalid proofs are refused with a challenge")
@pytest.mark.parametrize(
    "changes",
    [
        {"method": "POST"},
        {"htu": "http://localhost:8000/oauth/token"},
        {"iat": 1},
        {"iat": int(time.time()) + 9_999},
        {"jti": ""},
        {"header": {"typ": "JWT"}},
    ],
)
def test_invalid_proof_is_refused(client, key, token, changes):
    refusal(ask(client, token, proof_of(key, token, **changes)), "invalid_dpop_proof")


def test_missing_proof_is_refused(client, token):
    refusal(ask(client, token), "invalid_dpop_proof")


@pytest.mark.compliance("RFC 9449", "11.1", "a proof is good for one use")
def test_proof_is_good_for_one_use(client, key, token):
    proof = proof_of(key, token)

    assert ask(client, token, proof).status_code == 200
    refusal(ask(client, token, proof), "invalid_dpop_proof")


@pytest.mark.compliance("RFC 9449", "9", "a nonce that is not ours is answered with ours")
def test_wrong_nonce_is_answered_with_the_right_one(client, key, token):
    response = refusal(ask(client, token, proof_of(key, token, nonce="x")), "use_dpop_nonce")

    nonce = response["DPoP-Nonce"]
    assert nonce == get_nonce()
    assert ask(client, token, proof_of(key, token, nonce=nonce, iat=1)).status_code == 200


@pytest.mark.compliance("RFC 9449", "7.1", "refusals of bound tokens name the scheme")
def test_dead_token_is_refused_by_the_scheme_it_came_with(client, key):
    dead = "tgat_" + "a" * 49

    refusal(ask(client, dead, proof_of(key, dead)), "invalid_token")


@pytest.mark.compliance("RFC 9449", "7.1", "both schemes are offered to whoever sends no token")
def test_both_schemes_are_offered(client):
    response = client.get(USERINFO)

    assert response.status_code == 401
    assert response["WWW-Authenticate"] == (
        f'Bearer realm="Tollgate", DPoP realm="Tollgate", {ALGS}'
    )


@pytest.mark.compliance("RFC 9449", "7.1", "insufficient scope is told by the same scheme")
def test_insufficient_scope_is_told_by_the_scheme(client, key):
    token, _ = make_access_token(make_client().client, dpop_jkt=key.thumbprint)

    response = ask(client, token, proof_of(key, token))

    assert response.status_code == 403
    challenge = response["WWW-Authenticate"]
    assert challenge.startswith("DPoP ")
    assert 'error="insufficient_scope"' in challenge


def test_registration_does_not_take_the_scheme(client, key):
    response = ask(client, "tgra_x", address="/oauth/register/someone")

    assert response.status_code == 401
    assert "DPoP" not in response["WWW-Authenticate"]


def test_bound_token_takes_one_statement(client, key, token, django_assert_num_queries):
    proof = proof_of(key, token)
    request = RequestFactory().get(
        USERINFO, headers={"Authorization": f"DPoP {token}", "DPoP": proof}
    )
    with django_assert_num_queries(1):
        authenticate_bearer(request, scope="openid")
