import time
from urllib.parse import urlencode

import pytest
from django.conf import settings

from ims.services.ensure_signing_key import ensure_signing_key
from ims.services.sign_jwt import sign_jwt
from tests.factories import authorization as flow

pytestmark = pytest.mark.django_db
RETURN_TO = "https://app.example/bye"


@pytest.fixture(autouse=True)
def _key():
    ensure_signing_key()


@pytest.fixture
def app():
    return flow.make_code_client(post_logout_redirect_uris=RETURN_TO).client


@pytest.fixture
def person():
    return flow.make_person()


@pytest.fixture
def browser(client, person):
    return flow.sign_in(client, person)


def hint(app, person, typ="JWT", **changes):
    claims = {
        "iss": settings.ISSUER,
        "sub": str(person.subject),
        "aud": app.client_id,
        "exp": int(time.time()) - 3600,
    }
    return sign_jwt(claims=claims | changes, typ=typ)


def leave(browser, **parameters):
    return browser.get(f"/oauth/logout?{urlencode(parameters, doseq=True)}")


def is_signed_in(browser):
    return "_auth_user_id" in browser.session


@pytest.mark.compliance("RP-Initiated Logout", "2", "a valid hint signs out and returns with state")
def test_hint_of_the_person_signs_out_and_returns(browser, app, person):
    response = leave(
        browser,
        id_token_hint=hint(app, person),
        post_logout_redirect_uri=RETURN_TO,
        state="a b",
    )

    assert response["Location"] == f"{RETURN_TO}?state=a+b"
    assert not is_signed_in(browser)


@pytest.mark.compliance("RP-Initiated Logout", "2", "without a hint the person is asked")
def test_without_hint_the_person_is_asked(browser, app):
    page = leave(browser, client_id=app.client_id, post_logout_redirect_uri=RETURN_TO)
    assert page.status_code == 200
    assert is_signed_in(browser)
    assert "form-action 'self' https://app.example" in page["Content-Security-Policy"]

    response = browser.post("/oauth/logout/confirm")

    assert (response.status_code, response["Location"]) == (303, RETURN_TO)
    assert not is_signed_in(browser)


@pytest.mark.compliance("RP-Initiated Logout", "4", "a hint about somebody else signs nobody out")
def test_hint_about_another_person_asks(browser, app):
    other = flow.make_person("eve@example.com")

    assert leave(browser, id_token_hint=hint(app, other)).status_code == 200
    assert is_signed_in(browser)


@pytest.mark.compliance("RP-Initiated Logout", "4", "a hint that is not valid signs nobody out")
@pytest.mark.parametrize(
    "make",
    [
        lambda _app, _person: "nonsense",
        lambda app, person: hint(app, person, typ="at+jwt"),
        lambda app, person: hint(app, person, iss="https://elsewhere.example"),
        lambda app, person: hint(app, person)[:-4] + "AAAA",
    ],
)
def test_hint_that_is_no_id_token_of_ours_asks(browser, app, person, make):
    assert leave(browser, id_token_hint=make(app, person)).status_code == 200
    assert is_signed_in(browser)


@pytest.mark.compliance(
    "RP-Initiated Logout", "3", "an unregistered return address gets no redirect"
)
@pytest.mark.parametrize("uri", ["https://evil.example/", f"{RETURN_TO}/", f"{RETURN_TO}?x=1"])
def test_unregistered_return_address_gets_a_page(browser, app, person, uri):
    response = leave(browser, id_token_hint=hint(app, person), post_logout_redirect_uri=uri)

    assert response.status_code == 400
    assert "post_logout_redirect_uri" in flow.text_of(response)
    assert is_signed_in(browser)


def test_return_address_needs_a_client(browser):
    assert leave(browser, post_logout_redirect_uri=RETURN_TO).status_code == 400


@pytest.mark.compliance("RP-Initiated Logout", "2", "client_id must be that of the hint")
def test_client_must_be_that_of_the_hint(browser, app, person):
    response = leave(browser, id_token_hint=hint(app, person), client_id="another")

    assert response.status_code == 400


def test_confirmation_needs_the_csrf_token(browser, person):
    browser.handler.enforce_csrf_checks = True

    assert browser.post("/oauth/logout/confirm").status_code == 403
    assert is_signed_in(browser)


def test_post_is_sent_round_as_a_get(browser, app, person):
    response = browser.post("/oauth/logout", {"id_token_hint": hint(app, person)})

    assert response.status_code == 303
    assert "signed out" in flow.text_of(browser.get(response["Location"]))


def test_nobody_signed_in_returns_at_once(client, app):
    response = leave(client, client_id=app.client_id, post_logout_redirect_uri=RETURN_TO)

    assert response["Location"] == RETURN_TO


def test_repeated_parameter_gets_a_page(browser, app):
    assert leave(browser, client_id=[app.client_id, "other"]).status_code == 400
