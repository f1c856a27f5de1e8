from urllib.parse import parse_qs, urlsplit

import pytest

from ims.models import Grant
from ims.services.ensure_signing_key import ensure_signing_key
from tests.factories import authorization as flow

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _installation():
    ensure_signing_key()
    flow.make_orders()


@pytest.fixture
def app():
    return flow.make_code_client(is_first_party=True).client


@pytest.fixture
def person():
    return flow.make_person()


@pytest.fixture
def browser(client, person):
    return flow.sign_in(client, person)


def open_choice(browser, app, **changes):
    """Return the address of the page of choice; the person signed in before the request."""
    session = browser.session
    for record in session["account_authentication_methods"]:
        record["at"] -= 60
    session.save()
    page = flow.authorize(browser, app, prompt="select_account", **changes)["Location"]
    assert page.startswith("/oauth/account/")
    return page


@pytest.mark.compliance(
    "OpenID Connect Core", "3.1.2.1", "prompt=select_account asks which account"
)
def test_person_goes_on_as_who_they_are(browser, app, person):
    page = open_choice(browser, app)
    assert person.email in flow.text_of(browser.get(page))

    back = browser.post(page, {"account": "same"})

    response = browser.get(back["Location"])
    assert "?code=tgac_" in flow.text_of(response)
    assert Grant.objects.get().user == person


def test_person_goes_on_as_somebody_else(browser, app):
    other = flow.make_person("eve@example.com")
    page = open_choice(browser, app)

    login = browser.post(page, {"account": "other"})["Location"]

    target = parse_qs(urlsplit(login).query)["next"][0]
    signed_in = browser.post(
        login, {"login": other.email, "password": flow.PASSWORD, "next": target}
    )
    assert "?code=tgac_" in flow.text_of(browser.get(signed_in["Location"]))
    assert Grant.objects.get().user == other


def test_page_cannot_be_skipped(browser, app):
    page = open_choice(browser, app)

    response = browser.get(page.replace("/oauth/account/", "/oauth/consent/"))

    assert response["Location"] == page


def test_choice_needs_the_csrf_token(browser, app):
    page = open_choice(browser, app)
    browser.handler.enforce_csrf_checks = True

    assert browser.post(page, {"account": "same"}).status_code == 403


def test_unknown_request_gets_a_page(browser):
    assert browser.get("/oauth/account/unknown").status_code == 400


@pytest.mark.compliance("OpenID Connect Core", "3.1.2.1", "prompt=none stands alone")
def test_select_account_and_none_are_incoherent(browser, app):
    answer = flow.answer_of(flow.authorize(browser, app, prompt="none select_account"))

    assert answer["error"] == "invalid_request"


def test_nobody_signed_in_signs_in_and_is_not_asked_twice(client, app, person):
    login = flow.authorize(client, app, prompt="select_account")["Location"]
    target = parse_qs(urlsplit(login).query)["next"][0]

    signed_in = client.post(
        login, {"login": person.email, "password": flow.PASSWORD, "next": target}
    )

    assert "?code=tgac_" in flow.text_of(client.get(signed_in["Location"]))


# --- login_hint, ui_locales -------------------------------------------------------------------


@pytest.mark.compliance("OpenID Connect Core", "3.1.2.1", "login_hint fills in the sign-in page")
def test_login_hint_is_filled_in(client, app):
    login = flow.authorize(client, app, login_hint="ada@example.com")["Location"]

    assert 'value="ada@example.com"' in flow.text_of(client.get(login))
    assert "ada" not in login


@pytest.mark.parametrize("hint", ["x" * 255, "a\nb", '"><script>alert(1)</script>'])
def test_odd_login_hint_does_no_harm(client, app, hint):
    page = client.get(flow.authorize(client, app, login_hint=hint)["Location"])

    assert page.status_code == 200
    assert b"<script>alert(1)" not in page.content
    assert "x" * 255 not in page.content.decode()


def test_hint_of_another_session_is_not_shown(client, app):
    login = flow.authorize(client, app, login_hint="ada@example.com")["Location"]
    client.cookies.clear()

    assert "ada@example.com" not in flow.text_of(client.get(login))


@pytest.mark.compliance("OpenID Connect Core", "3.1.2.1", "ui_locales and display cause no error")
def test_wishes_that_are_not_met_are_ignored(browser, app):
    response = flow.authorize(
        browser, app, ui_locales="fr-CA fr xx", display="wap", claims_locales="de", unknown="x"
    )

    assert "code" in flow.answer_of(response)
