import re

import pytest
from django.core.cache import cache

from ims.models import Client, Consent, DeviceAuthorization, Grant
from tests.factories import authorization as flow
from tests.factories import device

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _registry():
    flow.make_orders()


@pytest.fixture
def tv():
    return device.make_device_client()


@pytest.fixture
def person():
    return flow.make_person()


@pytest.fixture
def browser(client, person):
    return flow.sign_in(client, person)


@pytest.fixture
def user_code(browser, tv):
    return device.start(browser, tv).json()["user_code"]


@pytest.mark.compliance("RFC 8628", "3.3", "the person signs in before the code is looked at")
def test_sign_in_comes_first_and_keeps_the_code(client, tv):
    code = device.start(client, tv).json()["user_code"]

    shown = client.get(f"/device?user_code={code}")
    typed = device.type_code(client, code)

    assert shown["Location"] == f"/accounts/login/?next=/device%3Fuser_code%3D{code}"
    assert typed["Location"].startswith("/accounts/login/")
    assert client.get("/device/confirm")["Location"].startswith("/accounts/login/")


@pytest.mark.compliance("RFC 8628", "6.1", "case and punctuation of the code do not matter")
@pytest.mark.parametrize("spell", [str.lower, lambda c: c.replace("-", ""), " - ".join])
def test_code_is_read_in_any_spelling(browser, user_code, spell):
    response = device.type_code(browser, spell(user_code))

    assert (response.status_code, response["Location"]) == (303, "/device/confirm")


@pytest.mark.compliance("RFC 8628", "3.3.1", "a complete address shows the code to be compared")
def test_complete_address_fills_in_the_code_and_lets_nobody_in(browser, user_code):
    page = flow.text_of(browser.get(f"/device?user_code={user_code}"))

    assert f'value="{user_code}"' in page
    assert "Is this the code that your device shows?" in page
    assert browser.get("/device/confirm").status_code == 400


def test_junk_in_the_address_is_not_shown(browser):
    page = browser.get("/device", {"user_code": '"><script>alert(1)</script>'})

    assert b"alert(1)" not in page.content


@pytest.mark.compliance("RFC 8628", "5.4", "the page says who asks for what, and warns")
def test_page_says_who_asks_for_what(browser, user_code, person):
    device.type_code(browser, user_code)

    page = browser.get("/device/confirm")

    text = flow.text_of(page)
    for words in ("Living-room TV", person.email, "See your orders", "If somebody sent you"):
        assert words in text
    assert page["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in page["Content-Security-Policy"]


def test_first_party_device_and_remembered_consent_ask_each_time(browser, person):
    known = device.make_device_client(is_first_party=True)
    for _ in range(2):
        code = device.start(browser, known).json()["user_code"]
        device.type_code(browser, code)
        assert "Allow" in flow.text_of(browser.get("/device/confirm"))
        device.decide(browser)


@pytest.mark.parametrize("typed", ["BBBB-BBBB", "short", "", "É" * 8, "x" * 5000])
def test_wrong_code_says_so(browser, user_code, typed):
    response = device.type_code(browser, typed)

    assert response.status_code == 400
    assert "No device waits under this code" in flow.text_of(response)


@pytest.mark.compliance("RFC 8628", "5.1", "guessing user codes is throttled")
def test_guessing_is_throttled_even_with_the_right_code(browser, user_code):
    for _ in range(6):
        response = device.type_code(browser, "BBBB-BBBB")
    assert (response.status_code, "Retry-After" in response) == (429, True)

    right = device.type_code(browser, user_code)

    assert right.status_code == 429
    assert "Too many wrong codes" in flow.text_of(right)


def test_right_codes_are_not_counted(browser, tv):
    for _ in range(8):
        code = device.start(browser, tv).json()["user_code"]
        assert device.type_code(browser, code).status_code == 303


@pytest.mark.compliance("RFC 8628", "3.3", "the page tells the person to go back to the device")
@pytest.mark.parametrize(
    ("decision", "words"), [("allow", "is connected"), ("deny", "was refused"), ("", "was refused")]
)
def test_answer_is_confirmed(browser, user_code, decision, words):
    device.type_code(browser, user_code)

    response = device.decide(browser, decision)

    assert words in flow.text_of(response)
    assert Grant.objects.exists() is (decision == "allow")


def test_answered_code_is_no_code_any_more(browser, user_code):
    device.allow(browser, user_code)

    assert device.type_code(browser, user_code).status_code == 400
    assert browser.post("/device/confirm", {"decision": "allow"}).status_code == 400
    assert Grant.objects.count() == 1


def test_expired_code_is_no_code_any_more(browser, user_code):
    device.type_code(browser, user_code)
    row = DeviceAuthorization.objects.get()
    row.expires_at = row.expires_at.replace(year=2020)
    row.save()

    assert device.type_code(browser, user_code).status_code == 400
    assert device.decide(browser).status_code == 400
    assert not Grant.objects.exists()


@pytest.mark.compliance("RFC 8628", "5.4", "only the session that was shown the page may answer")
def test_answer_of_another_person_in_the_same_browser_is_refused(browser, user_code):
    device.type_code(browser, user_code)
    seen = re.search(r'name="seen" value="(\w+)"', flow.text_of(browser.get("/device/confirm")))[1]
    kept = browser.session["ims_device_request"]
    browser.logout()
    flow.sign_in(browser, flow.make_person("eve@example.com"))
    session = browser.session
    session["ims_device_request"] = kept
    session.save()

    response = browser.post("/device/confirm", {"decision": "allow", "seen": seen})

    assert response.status_code == 400
    assert not Grant.objects.exists()


def test_answer_to_another_code_shows_the_page_instead(browser, tv, user_code):
    device.type_code(browser, user_code)
    seen = re.search(r'name="seen" value="(\w+)"', flow.text_of(browser.get("/device/confirm")))[1]
    other = device.make_device_client(name="Somebody else's box")
    device.type_code(browser, device.start(browser, other).json()["user_code"])

    response = browser.post("/device/confirm", {"decision": "allow", "seen": seen})

    assert "Somebody else's box" in flow.text_of(response)
    assert not Grant.objects.exists()


def test_answer_needs_the_csrf_token(browser, user_code):
    device.type_code(browser, user_code)
    browser.handler.enforce_csrf_checks = True

    assert browser.post("/device", {"user_code": user_code}).status_code == 403
    assert device.decide(browser).status_code == 403
    assert not Grant.objects.exists()


def test_name_of_the_client_is_escaped(browser, user_code):
    Client.objects.update(name="<script>alert(1)</script>")
    device.type_code(browser, user_code)

    assert b"<script>alert(1)" not in browser.get("/device/confirm").content


def test_scope_that_the_client_lost_meanwhile_is_not_shown_for_consent(browser, user_code):
    device.type_code(browser, user_code)
    Client.objects.update(scopes=["profile"])

    assert browser.get("/device/confirm").status_code == 400
    assert not Consent.objects.exists()


def test_code_survives_a_new_secret_key(browser, user_code, settings):
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another secret key, made up for this test only"
    cache.clear()

    assert device.type_code(browser, user_code).status_code == 303
