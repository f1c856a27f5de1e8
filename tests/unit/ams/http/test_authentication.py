import pytest
from rest_framework.test import APIClient

from ams.http import bearer

pytestmark = pytest.mark.django_db

ADDRESS = "/api/v1/upstreams"


def call(authorization=None):
    headers = {"Authorization": authorization} if authorization is not None else {}
    return APIClient().get(ADDRESS, headers=headers)


def test_token_with_the_scope_is_let_in(manager):
    assert manager.get(ADDRESS).status_code == 200


def test_request_without_token_is_challenged_without_error_code(token_service):
    answer = call()

    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == 'Bearer realm="management"'
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == "/problems/credentials-missing"
    assert token_service.requests == []


def test_unknown_token_is_invalid(token_service):
    answer = call("Bearer unknown")

    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer["WWW-Authenticate"]


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_refusal_of_a_change_asks_the_token_service_once(token_service, method):
    answer = getattr(APIClient(), method)(ADDRESS, headers={"Authorization": "Bearer unknown"})

    assert answer.status_code == 401
    assert token_service.requests.count(("POST", "/oauth/introspect")) == 1


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://gateway/orders"},
        {"exp": 1},
        {"aud": None},
        {"exp": None},
        {"active": "yes"},
        {"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}},
    ],
)
def test_token_that_is_not_good_here_is_invalid(token_service, claims):
    given = {"scope": "manage", "aud": f"{token_service.issuer}/api"} | claims
    token_service.grant("t", **given)

    assert call("Bearer t").status_code == 401


def test_token_without_the_scope_is_told_which_one_it_lacks(token_service):
    token_service.grant("t", scope="manager", aud=f"{token_service.issuer}/api")

    answer = call("Bearer t")

    assert answer.status_code == 403
    assert 'error="insufficient_scope", scope="manage"' in answer["WWW-Authenticate"]


@pytest.mark.parametrize("value", ["Bearer", "Bearer a b", "Bearer a, Bearer b", "Bearer é"])
def test_malformed_header_is_a_bad_request(token_service, value):
    answer = call(value)

    assert answer.status_code == 400
    assert 'error="invalid_request"' in answer["WWW-Authenticate"]


def test_other_scheme_is_no_token(token_service):
    assert call("Basic eDp5").status_code == 401


def test_nobody_gets_in_while_the_token_service_fails(manager, token_service):
    token_service.introspection_status = 500

    answer = manager.get(ADDRESS)

    assert answer.status_code == 503
    assert answer["Retry-After"]


def test_good_answer_is_kept_for_a_moment_only(manager, token_service, monkeypatch):
    manager.get(ADDRESS)
    token_service.tokens.clear()
    assert manager.get(ADDRESS).status_code == 200

    monkeypatch.setattr(bearer, "POSITIVE_SECONDS", 0)
    bearer.cache.clear()

    assert manager.get(ADDRESS).status_code == 401


def test_bad_answer_is_not_kept(manager, token_service):
    kept = dict(token_service.tokens)
    token_service.tokens.clear()
    assert manager.get(ADDRESS).status_code == 401

    token_service.tokens.update(kept)

    assert manager.get(ADDRESS).status_code == 200


def test_answer_kept_for_one_resource_does_not_serve_another(token_service):
    token_service.grant("t", aud="https://a.example")

    assert bearer.introspect_bearer("t", resource="https://a.example").active
    assert not bearer.introspect_bearer("t", resource="https://b.example").active


def test_discovery_for_another_issuer_is_not_trusted(manager, token_service):
    token_service.issuer_in_metadata = "https://evil.example"

    assert manager.get(ADDRESS).status_code == 503
