import re
from datetime import timedelta

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.usersessions.models import UserSession
from django.test import Client as Browser
from django.utils import timezone

from ims.audit.events import Event
from ims.models import AuditEvent, Client, Consent, Grant, RefreshToken, RevocationEvent
from ims.services.ensure_signing_key import ensure_signing_key
from ims.services.record_consent import record_consent
from ims.views.account_words import describe_browser
from tests.factories import authorization as flow
from tests.factories.identity import (
    INVOICES,
    ORDERS,
    make_access_token,
    make_client,
    make_grant,
    make_refresh_token,
    make_resource,
)

pytestmark = pytest.mark.django_db
LINUX_FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


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
def browser(client, person):
    return flow.sign_in(client, person)


def allow(person, app, scopes=("openid", "orders:read"), resources=(ORDERS,)):
    record_consent(user=person, client=app, scopes=scopes, resources=resources)
    return make_grant(app, person, scopes=list(scopes), resources=list(resources))


def shown(browser):
    page = browser.get("/account/")
    assert page.status_code == 200
    return flow.text_of(page)


def address_of(app):
    return f"/account/applications/{app.pk}/withdraw"


def test_page_is_for_the_person_only(client):
    answer = client.get("/account/")

    assert answer.status_code == 302
    assert answer["Location"] == "/accounts/login/?next=/account/"


def test_page_is_kept_by_no_cache(browser):
    assert "no-store" in browser.get("/account/")["Cache-Control"]


def test_nothing_allowed_is_said_in_words(browser):
    assert "No application has access" in shown(browser)


def test_application_is_shown_with_what_it_may_do_where(browser, person, app):
    allow(person, app)

    text = shown(browser)

    for words in ("Order book", "app.example", "Know that it is you", "See your orders", ORDERS):
        assert words in text


def test_scope_counts_at_the_api_it_was_allowed_for_only(browser, person, app):
    invoices = make_resource(INVOICES, scopes=("orders:read",))
    invoices.name = "Invoice API"
    invoices.save()
    allow(person, app)

    assert "Invoice API" not in shown(browser)


def test_api_that_is_gone_opens_nothing(browser, person, app):
    record_consent(user=person, client=app, scopes=["old"], resources=["https://gone.example"])

    text = shown(browser)

    assert "https://gone.example" not in text
    assert "not offered here any more" in text


def test_last_use_is_the_last_refresh(browser, person, app):
    grant = allow(person, app)
    make_refresh_token(grant)
    a_year_ago = timezone.now() - timedelta(days=366)
    Grant.objects.update(created_at=a_year_ago)
    Consent.objects.update(granted_at=a_year_ago)
    RefreshToken.objects.update(issued_at=timezone.now().replace(2026, 11, 5, 13, 14))

    text = shown(browser)

    assert f'Since <time datetime="{a_year_ago.isoformat(timespec="seconds")[:10]}' in text
    assert "5 November 2026, 13:14" in text
    assert "works while you are away" in text


def test_part_of_this_service_needs_no_consent_and_is_shown(browser, person):
    app = flow.make_code_client(is_first_party=True, name="The portal").client
    make_grant(app, person, scopes=["openid"])

    text = shown(browser)

    assert "The portal" in text
    assert "Part of this service" in text


def test_access_of_other_people_is_not_shown(browser, app):
    allow(flow.make_person("grace@example.com"), app)

    assert "No application has access" in shown(browser)


def test_withdrawal_asks_first_and_changes_nothing_yet(browser, person, app):
    grant = allow(person, app)

    page = browser.get(address_of(app))

    assert "Withdraw the access of Order book?" in flow.text_of(page)
    grant.refresh_from_db()
    assert grant.revoked_at is None


def test_withdrawal_ends_grants_consents_and_tokens_and_tells_the_gateways(browser, person, app):
    grant = allow(person, app)
    _, record = make_access_token(app, grant=grant, user=person)

    answer = browser.post(address_of(app), follow=True)

    assert "Order book has no access any more" in flow.text_of(answer)
    assert "No application has access" in flow.text_of(answer)
    grant.refresh_from_db()
    assert grant.revoked_at is not None
    assert not Consent.objects.exists()
    assert [bytes(event.token_digest) for event in RevocationEvent.objects.all()] == [record.digest]


def test_withdrawal_is_recorded(browser, person, app):
    allow(person, app)

    browser.post(address_of(app))

    event = AuditEvent.objects.get(event=Event.CONSENT_WITHDRAWN)
    assert (event.client_id, event.subject) == (app.client_id, str(person.subject))


def test_application_must_ask_again_after_the_withdrawal(browser, person):
    ensure_signing_key()
    known = flow.make_code_client()
    code = flow.obtain_code(browser, known.client)
    tokens = flow.exchange(browser, known, code).json()
    assert flow.authorize(browser, known.client)["Location"].startswith(flow.REDIRECT_URI)

    browser.post(address_of(known.client))

    assert flow.authorize(browser, known.client)["Location"].startswith("/oauth/consent/")
    assert flow.refresh(browser, known, tokens["refresh_token"]).status_code == 400


def test_access_of_other_people_cannot_be_withdrawn(browser, app):
    theirs = allow(flow.make_person("grace@example.com"), app)

    assert browser.get(address_of(app)).status_code == 404
    assert browser.post(address_of(app)).status_code == 302
    theirs.refresh_from_db()
    assert theirs.revoked_at is None


def test_withdrawal_needs_our_own_form(person, app):
    grant = allow(person, app)
    browser = Browser(enforce_csrf_checks=True)
    browser.force_login(person)

    assert browser.post(address_of(app)).status_code == 403
    grant.refresh_from_db()
    assert grant.revoked_at is None


def test_name_of_an_application_is_escaped(browser, person, app):
    allow(person, app)
    Client.objects.update(name="<script>alert(1)</script>")

    assert b"<script>alert(1)" not in browser.get("/account/").content
    assert b"<script>alert(1)" not in browser.get(address_of(app)).content


# --- sessions -----------------------------------------------------------------------------------


def test_sessions_are_listed_and_one_is_ended(browser, person):
    other = Browser(HTTP_USER_AGENT=LINUX_FIREFOX)
    flow.sign_in(other, person)
    text = shown(browser)
    assert "This browser" in text
    assert "Firefox on Linux" in text

    end = re.search(r"/account/sessions/\d+/end", text)[0]
    assert "has ended" in flow.text_of(browser.post(end, follow=True))

    assert other.get("/account/").status_code == 302
    assert browser.get("/account/").status_code == 200


def test_session_of_another_person_cannot_be_ended(browser):
    other = flow.sign_in(Browser(), flow.make_person("grace@example.com"))
    session = UserSession.objects.get(session_key=other.session.session_key)

    assert browser.post(f"/account/sessions/{session.pk}/end").status_code == 404
    assert other.get("/account/").status_code == 200


def test_present_session_is_left_by_signing_out(browser):
    session = UserSession.objects.get()

    answer = browser.post(f"/account/sessions/{session.pk}/end")

    assert answer["Location"] == "/accounts/logout/"


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (LINUX_FIREFOX, "Firefox on Linux"),
        (
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
                " Chrome/140.0 Safari/537.36 Edg/140.0"
            ),
            "Edge on Windows",
        ),
        (
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15"
                " (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1"
            ),
            "Safari on iPhone",
        ),
        ("SomeTool/1.0", "SomeTool/1.0"),
        ("", "An unknown browser"),
        ("x" * 500, "x" * 60),
    ],
)
def test_browser_is_named_as_its_owner_would(user_agent, words):
    assert describe_browser(user_agent) == words


def test_statements_do_not_grow_with_consents_of_one_application(
    browser, person, app, django_assert_max_num_queries
):
    for number in range(5):
        resource = f"https://gateway.example/{number}"
        make_resource(resource)
        record_consent(user=person, client=app, scopes=["orders:read"], resources=[resource])

    with django_assert_max_num_queries(13):
        shown(browser)


def test_application_without_redirect_uri_is_shown(browser, person):
    make_grant(make_client(name="A device").client, person, scopes=["openid"])

    assert "A device" in shown(browser)


def test_second_factors_are_told_in_plain_words(browser, person):
    before = flow.text_of(browser.get("/accounts/2fa/"))
    TOTP.activate(person, generate_totp_secret())
    RecoveryCodes.activate(person)
    after = flow.text_of(browser.get("/accounts/2fa/"))

    assert "Set it up" in before
    assert "Recovery codes" not in before
    assert "Turn off" in after
    assert "10 of 10 are left" in after


def test_sessions_are_listed_in_the_words_of_their_owner(client, person):
    form = {"login": person.email, "password": flow.PASSWORD}
    client.post("/accounts/login/", form, headers={"User-Agent": LINUX_FIREFOX})

    text = flow.text_of(client.get("/accounts/sessions/", headers={"User-Agent": LINUX_FIREFOX}))

    assert "Firefox on Linux" in text
    assert "Gecko" not in text
