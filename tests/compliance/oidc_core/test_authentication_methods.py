"""What an ID token says of how a person signed in, from sign-ins that really took place."""

import json
import re
import time

import jwt
import pytest
from allauth.mfa.totp.internal.auth import (
    format_hotp_value,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.test import Client

from ims.services.ensure_signing_key import ensure_signing_key
from tests.factories import authorization as flow
from tests.factories.passkey import Passkey

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _ready():
    ensure_signing_key()
    flow.make_orders()


@pytest.fixture
def person():
    return flow.make_person()


@pytest.fixture
def app():
    return flow.make_code_client(is_first_party=True)


def claims_of(browser, app, **changes):
    """Return the claims of the ID token that the signed-in person's client gets."""
    answer = flow.authorize(browser, app.client, **changes)
    if answer.status_code == 302 and answer["Location"].startswith("/oauth/consent/"):
        answer = browser.get(answer["Location"])
    found = re.search(r"code=(tgac_\w+)", answer.get("Location", "") or flow.text_of(answer))
    tokens = flow.exchange(browser, app, found[1]).json()
    return jwt.decode(tokens["id_token"], options={"verify_signature": False})


def methods_of(browser, app):
    claims = claims_of(browser, app)
    return claims["amr"], claims["acr"]


def code_of(secret, periods_ahead=0):
    counter = next(iter(yield_hotp_counters_from_time())) + periods_ahead
    return format_hotp_value(hotp_value(secret, counter))


def set_up_totp(person):
    browser = flow.sign_in(Client(), person)
    browser.post("/accounts/reauthenticate/", {"password": flow.PASSWORD})
    page = flow.text_of(browser.get("/accounts/2fa/totp/activate/"))
    secret = re.search(r'value="([A-Z2-7]{16,})"', page)[1]
    answer = browser.post("/accounts/2fa/totp/activate/", {"code": code_of(secret)})
    assert answer.status_code == 302, flow.text_of(answer)
    return browser, secret


def data_of(page):
    """Return the JSON that the page hands to the browser's passkey interface."""
    found = re.search(r'<script id="js_data"[^>]*>(.+?)</script>', page.content.decode())
    return json.loads(found[1].encode().decode("unicode_escape") if "\\u" in found[1] else found[1])


def set_up_passkey(person, **how):
    browser, passkey = flow.sign_in(Client(), person), Passkey(**how)
    browser.post("/accounts/reauthenticate/", {"password": flow.PASSWORD})
    options = data_of(browser.get("/accounts/2fa/webauthn/add/", secure=True))["creation_options"]
    form = {"name": "Mine", "credential": passkey.register(options), "passwordless": "on"}
    answer = browser.post("/accounts/2fa/webauthn/add/", form, secure=True)
    assert answer.status_code == 302, flow.text_of(answer)
    return passkey


@pytest.mark.compliance("OpenID Connect Core", "2", "amr and acr of a password")
def test_password_is_one_factor(client, person, app):
    flow.sign_in(client, person)

    assert methods_of(client, app) == (["pwd"], "1")


@pytest.mark.compliance("RFC 8176", "2", "otp and mfa of a password with a one-time code")
def test_password_and_code_are_two_factors(client, person, app):
    _, secret = set_up_totp(person)
    answer = client.post("/accounts/login/", {"login": person.email, "password": flow.PASSWORD})
    assert answer["Location"] == "/accounts/2fa/authenticate/"
    before = int(time.time())
    code = code_of(secret)
    answer = client.post("/accounts/2fa/authenticate/", {"code": code})
    if answer.status_code == 200:  # each code works once, and setting up took this one
        time.sleep(30 - time.time() % 30 + 0.5)
        answer = client.post("/accounts/2fa/authenticate/", {"code": code_of(secret)})
    assert answer.status_code == 302, flow.text_of(answer)

    claims = claims_of(client, app)

    assert (claims["amr"], claims["acr"]) == (["mfa", "otp", "pwd"], "2")
    assert before <= claims["auth_time"] <= time.time()


@pytest.mark.compliance("RFC 8176", "2", "a recovery code is a one-time code")
def test_recovery_code_is_a_one_time_code(client, person, app):
    browser, _ = set_up_totp(person)
    page = flow.text_of(browser.get("/accounts/2fa/recovery-codes/"))
    code = re.search(r"\b(\d{8})\b", page)[1]
    client.post("/accounts/login/", {"login": person.email, "password": flow.PASSWORD})
    client.post("/accounts/2fa/authenticate/", {"code": code})

    assert methods_of(client, app) == (["mfa", "otp", "pwd"], "2")


@pytest.mark.compliance("RFC 8176", "2", "hwk or swk by where the key of a passkey may be")
@pytest.mark.parametrize(("is_synced", "key"), [(False, "hwk"), (True, "swk")])
def test_passkey_by_itself_is_two_factors(client, person, app, is_synced, key):
    passkey = set_up_passkey(person, is_synced=is_synced)
    asked = client.get(
        "/accounts/2fa/webauthn/login/", headers={"Accept": "application/json"}, secure=True
    )
    credential = passkey.sign_in(asked.json()["request_options"])
    answer = client.post("/accounts/2fa/webauthn/login/", {"credential": credential}, secure=True)
    assert answer.status_code == 302, flow.text_of(answer)

    assert methods_of(client, app) == (sorted([key, "mfa", "user"]), "2")


@pytest.mark.compliance("RFC 8176", "2", "pwd, hwk and mfa of a password with a security key")
def test_passkey_as_the_second_factor(client, person, app):
    passkey = set_up_passkey(person)
    form = {"login": person.email, "password": flow.PASSWORD}
    assert client.post("/accounts/login/", form, secure=True).status_code == 302
    page = client.get("/accounts/2fa/authenticate/", secure=True)
    credential = passkey.sign_in(data_of(page)["request_options"])
    answer = client.post("/accounts/2fa/authenticate/", {"credential": credential}, secure=True)
    assert answer.status_code == 302, flow.text_of(answer)

    assert methods_of(client, app) == (["hwk", "mfa", "pwd", "user"], "2")


def test_passkey_of_another_site_is_refused(client, person):
    passkey = set_up_passkey(person)
    asked = client.get(
        "/accounts/2fa/webauthn/login/", headers={"Accept": "application/json"}, secure=True
    )
    passkey._rp_id = "evil.example"
    credential = passkey.sign_in(asked.json()["request_options"])

    client.post("/accounts/2fa/webauthn/login/", {"credential": credential}, secure=True)

    assert "_auth_user_id" not in client.session


@pytest.mark.compliance("OpenID Connect Core", "2", "auth_time is the moment of the last proof")
def test_proving_it_again_moves_auth_time(client, person, app):
    flow.sign_in(client, person)
    first = claims_of(client, app)["auth_time"]
    time.sleep(1.1)
    client.post("/accounts/reauthenticate/", {"password": flow.PASSWORD})

    assert claims_of(client, app)["auth_time"] > first
