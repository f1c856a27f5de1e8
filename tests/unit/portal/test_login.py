import time
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings
from django.core.cache import cache
from django.test import Client

from portal.login import safe_next
from portal.models import Developer

COOKIE = settings.PORTAL_SESSION_COOKIE_NAME


def begin(browser, target="/apps/"):
    return browser.get("/login/", {"next": target})["Location"]


def test_authorization_request_carries_pkce_state_and_nonce(visitor):
    asked = parse_qs(urlsplit(begin(visitor)).query)

    assert asked["response_type"] == ["code"]
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["redirect_uri"] == [f"{settings.ISSUER}/login/callback/"]
    assert len({asked[name][0] for name in ("state", "nonce", "code_challenge")}) == 3


def test_person_is_signed_in_and_sent_where_they_wanted(visitor, token_service):
    answer = token_service.authorize(begin(visitor, "/invoices/"))

    response = visitor.get("/login/callback/", answer)

    assert response["Location"] == "/invoices/"
    developer = Developer.objects.get()
    assert (developer.issuer, developer.subject) == (settings.ISSUER, "ada")
    assert developer.email == "ada@example.com"


def test_same_person_stays_one_developer_with_a_new_address(sign_in):
    sign_in("ada")
    sign_in("ada", userinfo={"email": "new@example.com"})

    assert Developer.objects.get().email == "new@example.com"


def test_session_key_changes_at_sign_in(visitor, token_service):
    answer = token_service.authorize(begin(visitor))
    planted = visitor.cookies[COOKIE].value

    visitor.get("/login/callback/", answer)

    assert visitor.cookies[COOKIE].value != planted
    attacker = Client()
    attacker.cookies[COOKIE] = planted
    assert attacker.get("/apps/").status_code == 302


def test_answer_is_of_no_use_in_another_browser(visitor, token_service):
    answer = token_service.authorize(begin(visitor))

    response = Client().get("/login/callback/", answer)

    assert response.status_code == 400
    assert b"was not started here" in response.content


def test_answer_works_once(visitor, token_service):
    answer = token_service.authorize(begin(visitor))
    visitor.get("/login/callback/", answer)

    assert visitor.get("/login/callback/", answer).status_code == 400


@pytest.mark.parametrize("issuer", ["https://evil.example", None])
def test_answer_of_another_issuer_is_refused(visitor, token_service, issuer):
    answer = token_service.authorize(begin(visitor))
    answer = {key: value for key, value in (answer | {"iss": issuer}).items() if value}

    response = visitor.get("/login/callback/", answer)

    assert response.status_code == 400
    assert not Developer.objects.exists()


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"aud": "another-client"},
        {"aud": ["another-client"]},
        {"azp": "another-client"},
        {"nonce": "replayed"},
        {"at_hash": "of-another-token"},
        {"exp": int(time.time()) - 120},
    ],
    ids=lambda claims: next(iter(claims)),
)
def test_id_token_that_is_not_ours_is_refused(visitor, token_service, claims):
    answer = token_service.authorize(begin(visitor), claims=claims)

    response = visitor.get("/login/callback/", answer)

    assert response.status_code == 400
    assert not Developer.objects.exists()


def test_id_token_that_is_someone_elses_too_is_refused(visitor, token_service):
    url = begin(visitor)
    own_client = parse_qs(urlsplit(url).query)["client_id"][0]
    answer = token_service.authorize(url, claims={"aud": [own_client, "another-client"]})

    assert visitor.get("/login/callback/", answer).status_code == 400
    assert not Developer.objects.exists()


@pytest.mark.parametrize("kid", ["key-1", "unknown"])
def test_id_token_with_a_foreign_signature_is_refused(visitor, token_service, kid):
    key = ec.generate_private_key(ec.SECP256R1())
    answer = token_service.authorize(begin(visitor), key=key, kid=kid)

    assert visitor.get("/login/callback/", answer).status_code == 400
    assert not Developer.objects.exists()


def test_key_made_after_the_keys_were_cached_is_found(sign_in, token_service):
    sign_in("ada")
    token_service.key, token_service.key_id = ec.generate_private_key(ec.SECP256R1()), "key-2"

    sign_in("grace")

    assert Developer.objects.count() == 2


def test_userinfo_about_someone_else_is_refused(visitor, token_service):
    answer = token_service.authorize(begin(visitor), userinfo={"sub": "mallory"})

    assert visitor.get("/login/callback/", answer).status_code == 400
    assert not Developer.objects.exists()


def test_refusal_by_the_person_is_said_in_words(visitor, token_service):
    answer = token_service.authorize(begin(visitor)) | {"error": "access_denied"}

    response = visitor.get("/login/callback/", answer)

    assert b"did not allow" in response.content


def test_silent_token_service_gets_a_page_not_a_trace(visitor, token_service):
    cache.clear()
    token_service.is_down = True

    response = visitor.get("/login/")

    assert response.status_code == 503
    assert b"Try again" in response.content


def test_discovery_that_names_another_issuer_is_refused(visitor, token_service):
    token_service.metadata_changes = {"issuer": "https://evil.example"}
    cache.clear()

    assert visitor.get("/login/").status_code == 503


@pytest.mark.parametrize(
    "target",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "", None],
)
def test_only_paths_of_this_site_are_gone_to(target):
    assert safe_next(target) == "/"


def test_signing_out_ends_both_sessions(developer):
    response = developer.post("/logout/")

    where = urlsplit(response["Location"])
    assert where.path == "/oauth/logout"
    asked = parse_qs(where.query)
    assert asked["post_logout_redirect_uri"] == [f"{settings.ISSUER}/"]
    assert asked["id_token_hint"][0].count(".") == 2
    assert developer.get("/apps/").status_code == 302


def test_signing_out_needs_a_post(developer):
    assert developer.get("/logout/").status_code == 405
    assert developer.get("/apps/").status_code == 200


def test_sign_up_goes_to_the_token_service_and_comes_back_through_sign_in(visitor):
    where = urlsplit(visitor.get("/signup/", {"next": "/apis/"})["Location"])

    assert where.path == "/accounts/signup/"
    assert parse_qs(where.query)["next"] == ["/login/?next=%2Fapis%2F"]


def test_signed_out_poll_moves_the_whole_tab_to_sign_in(visitor):
    address = "/subscriptions/0199c7a0-0000-7000-8000-000000000000/usage/"

    response = visitor.get(address, headers={"HX-Request": "true"})

    assert response.status_code == 204
    assert response["HX-Redirect"].startswith("/login/")
