"""RFC 9449 §8: nonces of the server."""

import time

import pytest

from ims.dpop import nonces
from ims.dpop.proof import LONGEST_AGE_SECONDS
from tests.factories.identity import make_client
from tests.factories.keys import make_proof

TOKEN = "/oauth/token"


@pytest.fixture
def app():
    return make_client(scopes=["orders:read"])


@pytest.fixture
def no_nonce_required(settings):
    settings.DPOP_NONCE_REQUIRED = False


def ask(dpop, app, key, **changes):
    proof = make_proof(key, TOKEN, **changes)
    return dpop.post(TOKEN, app, proof=proof, grant_type="client_credentials")


@pytest.mark.compliance("RFC 9449", "8", "use_dpop_nonce asks for a nonce, which then works")
@pytest.mark.parametrize("nonce", [None, "stale-or-invented"])
def test_server_asks_for_its_nonce(dpop, app, key, nonce):
    refusal = ask(dpop, app, key, nonce=nonce)

    assert (refusal.status_code, refusal.json()["error"]) == (400, "use_dpop_nonce")
    assert refusal["Cache-Control"] == "no-store"
    assert "DPoP-Nonce" in refusal["Access-Control-Expose-Headers"]
    assert ask(dpop, app, key, nonce=refusal["DPoP-Nonce"]).status_code == 200


@pytest.mark.compliance("RFC 9449", "8.2", "a new nonce is sent before the old one ends")
def test_new_nonce_comes_ahead(dpop, app, key, monkeypatch):
    first = nonces.get_nonce()
    now = time.time()
    assert not ask(dpop, app, key, nonce=first).has_header("DPoP-Nonce")

    monkeypatch.setattr(nonces.time, "time", lambda: now + nonces.WINDOW_SECONDS)
    response = ask(dpop, app, key, nonce=first)

    assert response.status_code == 200
    assert response["DPoP-Nonce"] == nonces.get_nonce() != first


def test_nonce_ends(dpop, app, key, monkeypatch):
    nonce = nonces.get_nonce()
    now = time.time()
    monkeypatch.setattr(nonces.time, "time", lambda: now + nonces.LONGEST_LIFE_SECONDS)

    assert ask(dpop, app, key, nonce=nonce).json()["error"] == "use_dpop_nonce"


@pytest.mark.compliance("RFC 9449", "11.1", "with a nonce the client's clock does not matter")
@pytest.mark.parametrize("offset", [-10_000, 10_000])
def test_wrong_clock_does_no_harm_with_a_nonce(dpop, app, key, offset):
    response = ask(dpop, app, key, nonce=nonces.get_nonce(), iat=int(time.time()) + offset)

    assert response.status_code == 200


@pytest.mark.compliance("RFC 9449", "11.1", "without a nonce a proof is good for a short time")
@pytest.mark.parametrize(
    ("offset", "error"),
    [
        (0, None),
        (-30, None),
        (-LONGEST_AGE_SECONDS - 30, "invalid_dpop_proof"),
        (60, "invalid_dpop_proof"),
    ],
)
@pytest.mark.usefixtures("no_nonce_required")
def test_proof_without_a_nonce_is_recent(dpop, app, key, offset, error):
    response = ask(dpop, app, key, iat=int(time.time()) + offset)

    assert response.json().get("error") == error
    assert response.has_header("DPoP-Nonce") is (error is None)


@pytest.mark.usefixtures("no_nonce_required")
def test_wrong_nonce_is_refused_where_none_is_needed(dpop, app, key):
    assert ask(dpop, app, key, nonce="x").json()["error"] == "use_dpop_nonce"


def test_nonces_of_another_installation_are_not_ours(settings):
    ours = nonces.get_nonce()
    settings.SECRET_KEY = "another-secret-key-of-more-than-32-characters"

    assert not nonces.is_ours(ours)


def test_requests_without_proofs_hear_of_no_nonce(client, app):
    response = client.post(
        TOKEN,
        "grant_type=client_credentials",
        content_type="application/x-www-form-urlencoded",
        headers=app.headers,
    )

    assert not response.has_header("DPoP-Nonce")
