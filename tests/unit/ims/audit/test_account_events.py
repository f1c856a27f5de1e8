"""What people do about their accounts, through allauth's own pages."""

import re

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import (
    format_hotp_value,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.test import Client

from ims.audit.events import Event
from ims.models import AuditEvent
from tests.factories import authorization as flow

pytestmark = pytest.mark.django_db
NEW_PASSWORD = "another long pass phrase"
STRANGER = {"REMOTE_ADDR": "203.0.113.9"}


@pytest.fixture
def person():
    return flow.make_person()


@pytest.fixture
def browser(client, person):
    return flow.sign_in(client, person)


def events_of(person):
    return list(
        AuditEvent.objects.filter(subject=str(person.subject))
        .order_by("id")
        .values_list("event", "outcome", "reason")
    )


def newest(event):
    return AuditEvent.objects.filter(event=event).latest("id")


def code_of(secret):
    counter = next(iter(yield_hotp_counters_from_time()))
    return format_hotp_value(hotp_value(secret, counter))


def reauthenticate(browser):
    assert browser.post("/accounts/reauthenticate/", {"password": flow.PASSWORD}).status_code == 302


def add_totp(browser):
    reauthenticate(browser)
    page = flow.text_of(browser.get("/accounts/2fa/totp/activate/"))
    secret = re.search(r'value="([A-Z2-7]{16,})"', page)[1]
    answer = browser.post("/accounts/2fa/totp/activate/", {"code": code_of(secret)})
    assert answer.status_code == 302, flow.text_of(answer)
    return secret


def test_sign_in_tells_who_from_where_and_how(client, person):
    form = {"login": person.email, "password": flow.PASSWORD}
    client.post("/accounts/login/", form, REMOTE_ADDR="192.0.2.7", HTTP_USER_AGENT="Firefox")

    event = newest(Event.LOGIN)
    assert (event.outcome, event.subject) == ("success", str(person.subject))
    assert (event.address, event.user_agent) == ("192.0.2.7", "Firefox")
    assert event.detail == {"methods": ["password"]}


def test_failed_sign_in_names_the_account_and_never_what_was_typed(client, person):
    client.post("/accounts/login/", {"login": person.email, "password": "wrong-1"})
    client.post("/accounts/login/", {"login": "wrong-password-in-here", "password": "wrong-2"})

    known, unknown = AuditEvent.objects.filter(event=Event.LOGIN).order_by("id")
    assert (known.subject, known.outcome) == (str(person.subject), "failure")
    assert (unknown.subject, unknown.reason) == ("", "wrong_password")
    assert "wrong-" not in str([(event.__dict__) for event in (known, unknown)])


def test_person_is_told_by_mail_what_changed_when_and_from_where(browser, person, mailoutbox):
    new = "Another-pass-9f2"
    browser.post(
        "/accounts/password/change/",
        {"oldpassword": flow.PASSWORD, "password1": new, "password2": new},
        REMOTE_ADDR="192.0.2.7",
        HTTP_USER_AGENT="Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
    )

    (message,) = mailoutbox
    assert message.to == [person.email]
    assert "password has been changed" in message.body
    assert "from 192.0.2.7 (Firefox on Linux)" in message.body
    assert new not in message.body


def test_sign_out_is_recorded(browser, person):
    browser.post("/accounts/logout/")

    assert events_of(person)[-1] == ("person.logout", "success", "")


def test_sign_up_and_verification_are_recorded(client, mailoutbox):
    form = {"email": "new@example.com", "password1": flow.PASSWORD, "password2": flow.PASSWORD}
    client.post("/accounts/signup/", form)
    client.post(re.search(r"https?://[^/]+(/\S+)", mailoutbox[0].body)[1])

    subject = newest(Event.SIGNED_UP).subject
    assert subject
    assert newest(Event.EMAIL_VERIFIED).subject == subject
    assert newest(Event.LOGIN).subject == subject


@pytest.mark.django_db(transaction=True)  # allauth tells after the commit
def test_second_factor_is_recorded_when_it_comes_and_when_it_goes(browser, person):
    add_totp(browser)
    assert newest(Event.MFA_ADDED).detail == {"kind": "totp"}

    browser.post("/accounts/2fa/totp/deactivate/")

    assert newest(Event.MFA_REMOVED).subject == str(person.subject)


def test_wrong_code_of_the_second_factor_is_recorded(browser, person):
    secret = add_totp(browser)
    stranger = Client()
    stranger.post("/accounts/login/", {"login": person.email, "password": flow.PASSWORD})
    wrong = str((int(code_of(secret)) + 1) % 1_000_000).zfill(6)

    stranger.post("/accounts/2fa/authenticate/", {"code": wrong})

    assert events_of(person)[-1] == ("person.login", "failure", "wrong_code")
    assert wrong not in str(AuditEvent.objects.values_list("detail", "reason"))


def test_secrets_of_second_factors_rest_encrypted(browser):
    secret = add_totp(browser)

    stored = {each.type: each.data for each in Authenticator.objects.all()}
    assert secret not in str(stored)
    assert stored["totp"]["secret"].startswith("v1.")
    assert stored["recovery_codes"]["seed"].startswith("v1.")


@pytest.mark.django_db(transaction=True)  # allauth tells after the commit
def test_recovery_codes_are_recorded(browser, person):
    add_totp(browser)

    browser.post("/accounts/2fa/recovery-codes/generate/")

    assert newest(Event.RECOVERY_CODES_MADE).subject == str(person.subject)


def test_session_that_is_ended_is_recorded(browser, person):
    flow.sign_in(Client(), person)

    browser.post("/accounts/sessions/")

    assert newest(Event.SESSION_ENDED).subject == str(person.subject)


def test_password_change_is_recorded(browser, person):
    form = {"oldpassword": flow.PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    assert browser.post("/accounts/password/change/", form).status_code == 302

    event = newest(Event.PASSWORD_CHANGED)
    assert (event.subject, event.detail["sessions_ended"]) == (str(person.subject), 0)


def test_password_reset_is_recorded(client, person, mailoutbox):
    client.post("/accounts/password/reset/", {"email": person.email})
    link = re.search(r"https?://[^/]+(/\S+)", mailoutbox[0].body)[1]
    form_address = client.get(link)["Location"]
    client.post(form_address, {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD})

    assert newest(Event.PASSWORD_RESET).subject == str(person.subject)


def test_proving_it_again_is_recorded(browser, person):
    reauthenticate(browser)

    assert events_of(person)[-1] == ("person.reauthenticated", "success", "")


def test_removed_address_is_recorded_without_the_address(browser, person):
    reauthenticate(browser)
    browser.post("/accounts/email/", {"action_add": "", "email": "second@example.com"})
    browser.post("/accounts/email/", {"action_remove": "", "email": "second@example.com"})

    assert newest(Event.EMAIL_CHANGED).subject == str(person.subject)
    assert "second@" not in str(AuditEvent.objects.values_list("detail"))


# --- guesses ----------------------------------------------------------------------------------


def guess(browser, person, times, **origin):
    for _ in range(times):
        answer = browser.post(
            "/accounts/login/", {"login": person.email, "password": "wrong"}, **origin
        )
    return flow.text_of(answer)


def test_guessing_is_stopped_before_the_password_is_checked(person):
    stranger = Client()
    guess(stranger, person, 5, **STRANGER)

    answer = stranger.post(
        "/accounts/login/", {"login": person.email, "password": flow.PASSWORD}, **STRANGER
    )

    assert "Too many failed login attempts" in flow.text_of(answer)
    assert "_auth_user_id" not in stranger.session


def test_guesses_of_a_stranger_do_not_keep_the_owner_out(person):
    assert "Too many" in guess(Client(), person, 8, **STRANGER)

    owner = flow.sign_in(Client(REMOTE_ADDR="198.51.100.4"), person)

    assert "_auth_user_id" in owner.session


def test_blocked_guesses_do_not_fill_the_log(person):
    guess(Client(), person, 20, **STRANGER)

    assert AuditEvent.objects.filter(event=Event.LOGIN).count() == 5
    assert AuditEvent.objects.filter(event=Event.THROTTLED, reason="login").count() == 1
