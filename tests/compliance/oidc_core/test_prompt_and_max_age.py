import time
from urllib.parse import parse_qs, urlsplit

import pytest

from ims.models import Consent, Grant
from tests.factories import authorization as flow

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _registry():
    flow.make_orders()


@pytest.fixture
def app():
    return flow.make_code_client().client


@pytest.fixture
def person():
    return flow.make_person()


@pytest.fixture
def trusted():
    return flow.make_code_client(is_first_party=True).client


def age_session(browser, seconds):
    """Move the session's authentication event into the past."""
    session = browser.session
    for record in session["account_authentication_methods"]:
        record["at"] -= seconds
    session.save()


def reauthenticate(browser, response):
    """Pass the page of allauth that asks for the password again; return where it leads."""
    page = response["Location"]
    assert page.startswith("/accounts/reauthenticate/")
    target = parse_qs(urlsplit(page).query)["next"][0]
    assert browser.get(page).status_code == 200
    back = browser.post(page, {"password": flow.PASSWORD, "next": target})
    assert back["Location"] == target
    return browser.get(target)


@pytest.mark.compliance("OpenID Connect Core", "3.1.2.3", "nobody signed in: authenticate first")
def test_login_comes_first_and_the_request_goes_on_by_itself(client, trusted, person):
    login = flow.authorize(client, trusted)
    target = parse_qs(urlsplit(login["Location"]).query)["next"][0]

    signed_in = client.post(
        login["Location"], {"login": person.email, "password": flow.PASSWORD, "next": target}
    )
    response = client.get(signed_in["Location"])

    # Chromium would hold a redirect to the login page's form-action; a page goes on instead.
    assert response.status_code == 200
    assert f"{flow.REDIRECT_URI}?code=tgac_" in flow.text_of(response)
    assert Grant.objects.get().user == person


@pytest.mark.compliance("OpenID Connect Core", "3.1.2.6", "prompt=none: login_required")
def test_prompt_none_without_session_is_login_required(client, app):
    answer = flow.answer_of(flow.authorize(client, app, prompt="none"))

    assert (answer["error"], answer["state"]) == ("login_required", "st&te=1")


@pytest.mark.compliance("OpenID Connect Core", "3.1.2.6", "prompt=none: consent_required")
def test_prompt_none_without_consent_is_consent_required(client, app, person):
    flow.sign_in(client, person)

    assert flow.answer_of(flow.authorize(client, app, prompt="none"))["error"] == "consent_required"


def test_prompt_none_with_consent_is_answered(client, app, person):
    flow.sign_in(client, person)
    flow.obtain_code(client, app)

    assert "code" in flow.answer_of(flow.authorize(client, app, prompt="none"))


@pytest.mark.compliance("OpenID Connect Core", "3.1.2.1", "prompt=none stands alone")
@pytest.mark.parametrize("prompt", ["none login", "unheard_of"])
def test_incoherent_prompt_is_refused(client, app, prompt):
    answer = flow.answer_of(flow.authorize(client, app, prompt=prompt))

    assert (answer["error"], "prompt" in answer["error_description"]) == ("invalid_request", True)


@pytest.mark.compliance("OpenID Connect Core", "3.1.2.1", "prompt=login authenticates again")
@pytest.mark.parametrize("changes", [{"prompt": "login"}, {"max_age": "0"}])
def test_prompt_login_asks_for_the_password_once(client, trusted, person, changes):
    flow.sign_in(client, person)
    age_session(client, 5)

    response = reauthenticate(client, flow.authorize(client, trusted, **changes))

    assert "?code=tgac_" in flow.text_of(response)
    assert time.time() - Grant.objects.get().authenticated_at.timestamp() < 60


def test_prompt_login_cannot_be_skipped_by_going_on(client, trusted, person):
    flow.sign_in(client, person)
    page = flow.authorize(client, trusted, prompt="login")["Location"]

    response = client.get(parse_qs(urlsplit(page).query)["next"][0])

    assert response["Location"].startswith("/accounts/reauthenticate/")
    assert not Grant.objects.exists()


@pytest.mark.compliance("OpenID Connect Core", "3.1.2.1", "max_age bounds the authentication's age")
def test_max_age_asks_again_only_when_it_is_exceeded(client, trusted, person):
    flow.sign_in(client, person)
    age_session(client, 600)

    assert "code" in flow.answer_of(flow.authorize(client, trusted, max_age="900"))
    assert "reauthenticate" in flow.authorize(client, trusted, max_age="300")["Location"]
    silent = flow.answer_of(flow.authorize(client, trusted, max_age="300", prompt="none"))
    assert silent["error"] == "login_required"


@pytest.mark.compliance("OpenID Connect Core", "3.1.2.1", "a malformed max_age is invalid_request")
@pytest.mark.parametrize("max_age", ["-1", "soon", "1.5", "٣"])
def test_malformed_max_age_is_refused(client, app, max_age):
    answer = flow.answer_of(flow.authorize(client, app, max_age=max_age))

    assert "max_age" in answer["error_description"]


@pytest.mark.compliance("OpenID Connect Core", "3.1.2.1", "prompt=consent asks again")
def test_prompt_consent_asks_although_it_was_allowed(client, app, trusted, person):
    flow.sign_in(client, person)
    flow.obtain_code(client, app)

    assert "/oauth/consent/" in flow.authorize(client, app, prompt="consent")["Location"]
    assert "/oauth/consent/" in flow.authorize(client, trusted, prompt="consent")["Location"]


def test_first_party_client_needs_no_consent(client, trusted, person):
    flow.sign_in(client, person)

    assert "code" in flow.answer_of(flow.authorize(client, trusted))
    assert not Consent.objects.exists()


def test_person_may_think_longer_than_max_age_before_allowing(client, app, person):
    login = flow.authorize(client, app, max_age="5")["Location"]
    page = {"Location": parse_qs(urlsplit(login).query)["next"][0]}
    flow.sign_in(client, person)
    age_session(client, 30)
    session = client.session
    for waiting in session["ims_authorization_requests"].values():
        waiting["asked_at"] -= 40
    session.save()

    assert "code" in flow.answer_of(flow.decide(client, page))
