import json
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp

from ims.services.ensure_signing_key import ensure_signing_key
from tests.factories import authorization as flow

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _installation():
    ensure_signing_key()
    flow.make_orders()


@pytest.fixture
def app():
    return flow.make_code_client(is_first_party=True)


@pytest.fixture
def person():
    return flow.make_person()


@pytest.fixture
def browser(client, person):
    return flow.sign_in(client, person)


@pytest.fixture
def secret(browser, person):
    """A second factor that was set up after the sign-in: the session has shown one factor only."""
    secret = totp.generate_totp_secret()
    totp.TOTP.activate(person, secret)
    return secret


def essential(*values):
    return json.dumps({"id_token": {"acr": {"essential": True, "values": list(values)}}})


def show_second_factor(browser, response, secret):
    """Pass the page that asks for a code of the second factor; return where it leads."""
    page = response["Location"]
    assert page.startswith("/accounts/2fa/reauthenticate/")
    target = parse_qs(urlsplit(page).query)["next"][0]
    assert browser.get(page).status_code == 200
    (counter,) = list(totp.yield_hotp_counters_from_time())[:1]
    code = totp.format_hotp_value(totp.hotp_value(secret, counter))
    back = browser.post(page, {"code": code, "next": target})
    assert back["Location"] == target, back.content
    return browser.get(target)


def claims_of(browser, app, response):
    """Return the claims of the ID token that the answer in the departure page is worth."""
    text = flow.text_of(response)
    code = parse_qs(urlsplit(text.split("url=")[1].split('"')[0]).query)["code"][0]
    tokens = flow.exchange(browser, app, code).json()
    return jwt.decode(tokens["id_token"], options={"verify_signature": False})


@pytest.mark.compliance(
    "OpenID Connect Core", "3.1.2.1", "acr_values: the second factor is asked for"
)
@pytest.mark.parametrize("changes", [{"acr_values": "2"}, {"acr_values": "2 1"}])
def test_second_factor_is_asked_for_and_told(browser, app, secret, changes):
    page = flow.authorize(browser, app.client, **changes)

    claims = claims_of(browser, app, show_second_factor(browser, page, secret))

    assert (claims["acr"], claims["amr"]) == ("2", ["mfa", "otp", "pwd"])


@pytest.mark.compliance("OpenID Connect Core", "5.5.1.1", "essential acr values are met")
def test_essential_second_factor_is_asked_for(browser, app, secret):
    page = flow.authorize(browser, app.client, claims=essential("2"))

    claims = claims_of(browser, app, show_second_factor(browser, page, secret))

    assert claims["acr"] == "2"


@pytest.mark.compliance("OpenID Connect Core", "5.5.1.1", "an essential acr cannot be gone round")
def test_page_of_the_second_factor_cannot_be_skipped(browser, app, secret):
    page = flow.authorize(browser, app.client, acr_values="2")

    response = browser.get(parse_qs(urlsplit(page["Location"]).query)["next"][0])

    assert response["Location"].startswith("/accounts/2fa/reauthenticate/")


@pytest.mark.compliance("OpenID Connect Core", "3.1.2.1", "acr_values is voluntary")
@pytest.mark.parametrize("acr_values", ["2", "1 2", "urn:example:gold", "2 urn:example:gold"])
def test_wish_that_cannot_be_met_is_answered_with_the_real_acr(browser, app, acr_values):
    answer = flow.answer_of(flow.authorize(browser, app.client, acr_values=acr_values))

    tokens = flow.exchange(browser, app, answer["code"]).json()
    assert jwt.decode(tokens["id_token"], options={"verify_signature": False})["acr"] == "1"


@pytest.mark.parametrize("acr_values", ["1", "1 2"])
def test_preferred_one_factor_asks_for_no_second(browser, app, secret, acr_values):
    assert "code" in flow.answer_of(flow.authorize(browser, app.client, acr_values=acr_values))


def test_wish_is_no_error_where_no_page_may_be_shown(browser, app, secret):
    answer = flow.answer_of(flow.authorize(browser, app.client, acr_values="2", prompt="none"))

    assert "code" in answer


@pytest.mark.compliance("OpenID Connect Core", "5.5.1.1", "an essential acr out of reach fails")
@pytest.mark.parametrize("values", [["2"], ["urn:example:gold"], ["2", "urn:example:gold"]])
@pytest.mark.parametrize("prompt", [None, "none"])
def test_essential_acr_out_of_reach_is_refused(browser, app, values, prompt):
    answer = flow.answer_of(
        flow.authorize(browser, app.client, claims=essential(*values), prompt=prompt)
    )

    assert answer["error"] == "unmet_authentication_requirements"


@pytest.mark.compliance("OpenID Connect Core", "3.1.2.6", "prompt=none: a due second factor fails")
def test_essential_acr_without_a_page_is_login_required(browser, app, secret):
    answer = flow.answer_of(
        flow.authorize(browser, app.client, claims=essential("2"), prompt="none")
    )

    assert answer["error"] == "login_required"


def test_essential_one_factor_is_met_by_two_and_told_as_asked(browser, app, secret):
    flow.authorize(browser, app.client, acr_values="2")
    page = flow.authorize(browser, app.client, acr_values="2")
    show_second_factor(browser, page, secret)

    answer = flow.answer_of(flow.authorize(browser, app.client, claims=essential("1")))

    tokens = flow.exchange(browser, app, answer["code"]).json()
    assert jwt.decode(tokens["id_token"], options={"verify_signature": False})["acr"] == "1"


def test_voluntary_acr_in_claims_is_a_wish(browser, app, secret):
    claims = json.dumps({"id_token": {"acr": {"values": ["2"]}}})

    response = flow.authorize(browser, app.client, claims=claims)

    assert response["Location"].startswith("/accounts/2fa/reauthenticate/")


def test_person_with_a_security_key_only_is_asked_for_that(browser, app, person):
    Authenticator.objects.create(user=person, type=Authenticator.Type.WEBAUTHN, data={})

    response = flow.authorize(browser, app.client, acr_values="2")

    assert response["Location"].startswith("/accounts/2fa/webauthn/reauthenticate/?next=")
