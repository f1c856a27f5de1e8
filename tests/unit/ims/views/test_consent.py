import re
import time

import pytest

from ims.models import AuthorizationCode, Client, Consent, Grant, ProtectedResource
from ims.services.ensure_signing_key import ensure_signing_key
from ims.services.withdraw_consent import withdraw_consent
from tests.factories import authorization as flow
from tests.factories.identity import INVOICES, ORDERS, make_resource

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
def browser(client, person):
    return flow.sign_in(client, person)


def page_of(browser, app, **changes):
    return browser.get(flow.authorize(browser, app, **changes)["Location"])


def test_page_says_who_asks_for_what_and_where_it_leads(browser, app, person):
    text = flow.text_of(
        page_of(browser, app, scope="openid profile email offline_access orders:read")
    )

    assert "Order book" in text
    assert person.email in text
    assert "https://app.example" in text
    assert "See your orders" in text
    for words in ("by an identifier", "your name", "your e-mail", "while you are away"):
        assert words in text


def test_scope_without_words_shows_its_name(browser, app):
    assert "orders:write" in flow.text_of(page_of(browser, app, scope="orders:write"))


def test_name_of_the_client_is_escaped(browser, app):
    Client.objects.update(name="<script>alert(1)</script>")

    assert b"<script>alert(1)" not in page_of(browser, app).content


def test_policy_lets_the_form_end_at_the_client_only(browser, app):
    policy = page_of(browser, app)["Content-Security-Policy"]

    assert "form-action 'self' https://app.example;" in f"{policy};"
    assert "frame-ancestors 'none'" in policy


def test_denial_is_told_to_the_client_and_grants_nothing(browser, app):
    response = flow.decide(browser, flow.authorize(browser, app), "deny")

    assert response.status_code == 303
    answer = flow.answer_of(response)
    assert (answer["error"], answer["state"]) == ("access_denied", "st&te=1")
    assert not Grant.objects.exists()
    assert not Consent.objects.exists()


def test_anything_but_allow_is_a_denial(browser, app):
    response = flow.decide(browser, flow.authorize(browser, app), "")

    assert flow.answer_of(response)["error"] == "access_denied"


def test_form_of_the_page_passes_the_csrf_check_as_a_browser_sends_it(browser, app, settings):
    browser.handler.enforce_csrf_checks = True
    page = flow.authorize(browser, app)
    shown = browser.get(page["Location"])
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', flow.text_of(shown))[1]
    seen = re.search(r'name="seen" value="(\w+)"', flow.text_of(shown))[1]
    form = {"decision": "allow", "seen": seen, "csrfmiddlewaretoken": token}

    response = browser.post(page["Location"], form, headers={"Origin": settings.ISSUER})

    assert "code" in flow.answer_of(response)
    assert shown["Referrer-Policy"] == "same-origin"


def test_answer_needs_the_csrf_token(browser, app):
    page = flow.authorize(browser, app)
    browser.handler.enforce_csrf_checks = True

    assert flow.decide(browser, page).status_code == 403
    assert not Grant.objects.exists()


def test_consent_is_remembered(browser, app):
    flow.obtain_code(browser, app)

    assert "code" in flow.answer_of(flow.authorize(browser, app))
    assert Consent.objects.get().scopes == ["openid", "orders:read"]


@pytest.mark.parametrize("scope", ["openid orders:read orders:write", "openid orders:read email"])
def test_new_scope_asks_again_and_joins_the_old(browser, app, scope):
    flow.obtain_code(browser, app)

    again = flow.authorize(browser, app, scope=scope)
    assert "/oauth/consent/" in again["Location"]
    flow.decide(browser, again)

    assert "code" in flow.answer_of(flow.authorize(browser, app, scope=scope))
    assert set(Consent.objects.get().scopes) == set(scope.split())


def test_new_resource_asks_again(browser, app):
    make_resource(INVOICES, scopes=["orders:read"])
    flow.obtain_code(browser, app, resource=ORDERS)

    assert "/oauth/consent/" in flow.authorize(browser, app, resource=INVOICES)["Location"]


def test_consent_of_one_person_is_not_anothers(browser, app):
    flow.obtain_code(browser, app)
    browser.logout()
    flow.sign_in(browser, flow.make_person("eve@example.com"))

    assert "/oauth/consent/" in flow.authorize(browser, app)["Location"]


def test_withdrawn_consent_asks_again_and_revokes(browser, app):
    flow.obtain_code(browser, app)

    withdraw_consent(consent=Consent.objects.get())

    assert Grant.objects.get().revoked_at is not None
    assert "/oauth/consent/" in flow.authorize(browser, app)["Location"]


def test_public_client_on_the_persons_machine_asks_each_time(browser):
    native = flow.make_public_code_client(redirect_uris="http://127.0.0.1/cb")
    uri = "http://127.0.0.1:50123/cb"
    page = flow.authorize(browser, native, redirect_uri=uri)
    assert flow.decide(browser, page)["Location"].startswith(f"{uri}?code=")

    again = flow.authorize(browser, native, redirect_uri=uri)

    assert "/oauth/consent/" in again["Location"]


def test_parameters_in_the_form_change_nothing(browser, app):
    page = flow.authorize(browser, app)

    flow.decide(browser, page, scope="orders:write", redirect_uri="https://evil.example/")

    assert Grant.objects.get().scopes == ["openid", "orders:read"]
    assert AuthorizationCode.objects.get().redirect_uri == flow.REDIRECT_URI


def test_request_of_another_session_is_refused(browser, app):
    page = flow.authorize(browser, app)
    browser.logout()
    flow.sign_in(browser, flow.make_person("eve@example.com"))

    response = flow.decide(browser, page)

    assert response.status_code == 400
    assert "start again" in flow.text_of(response)
    assert not Grant.objects.exists()


def test_answered_request_is_not_answered_twice(browser, app):
    page = flow.authorize(browser, app)
    flow.decide(browser, page)

    assert flow.decide(browser, page).status_code == 400
    assert Grant.objects.count() == 1


def test_request_does_not_wait_for_ever(browser, app):
    page = flow.authorize(browser, app)
    session = browser.session
    for waiting in session["ims_authorization_requests"].values():
        waiting["asked_at"] = time.time() - 3601
    session.save()

    assert browser.get(page["Location"]).status_code == 400


def test_session_keeps_a_bounded_number_of_requests(browser, app):
    pages = [flow.authorize(browser, app) for _ in range(10)]

    assert len(browser.session["ims_authorization_requests"]) == 8
    assert browser.get(pages[0]["Location"]).status_code == 400
    assert browser.get(pages[-1]["Location"]).status_code == 200


def test_redirect_uri_withdrawn_meanwhile_is_refused(browser, app):
    page = flow.authorize(browser, app)
    Client.objects.update(redirect_uris="https://moved.example/callback")

    assert flow.decide(browser, page).status_code == 400
    assert not Grant.objects.exists()


def test_signed_out_person_is_sent_to_sign_in_again(browser, app):
    page = flow.authorize(browser, app)
    session = browser.session
    for key in ("_auth_user_id", "_auth_user_backend", "_auth_user_hash"):
        del session[key]
    session.save()

    assert flow.decide(browser, page)["Location"].startswith("/accounts/login/")
    assert not Grant.objects.exists()


def test_tokens_of_an_allowed_request_work(browser):
    ensure_signing_key()
    known = flow.make_code_client()

    code = flow.obtain_code(browser, known.client)

    assert flow.exchange(browser, known, code).status_code == 200


def test_what_changed_after_the_page_was_shown_is_shown_before_it_is_allowed(browser, app):
    Client.objects.update(scopes=["orders:read"])
    page = flow.authorize(browser, app, scope=None)
    seen = re.search(r'name="seen" value="(\w+)"', flow.text_of(browser.get(page["Location"])))[1]
    Client.objects.update(scopes=["orders:read", "orders:write"])

    again = browser.post(page["Location"], {"decision": "allow", "seen": seen})

    assert again.status_code == 200
    assert "orders:write" in flow.text_of(again)
    assert not Grant.objects.exists()
    assert not Consent.objects.exists()
    assert "code" in flow.answer_of(flow.decide(browser, page))


def test_scope_allowed_at_one_resource_is_not_allowed_at_another(browser, app):
    make_resource(INVOICES, scopes=["orders:read", "invoices:read"])
    flow.obtain_code(browser, app, scope="orders:read", resource=ORDERS)
    flow.obtain_code(browser, app, scope="invoices:read", resource=INVOICES)

    cross = flow.authorize(browser, app, scope="orders:read", resource=INVOICES)
    known = flow.authorize(browser, app, scope="orders:read", resource=ORDERS)

    assert "/oauth/consent/" in cross["Location"]
    assert "code" in flow.answer_of(known)


def test_page_says_what_is_allowed_at_which_api(browser, app):
    orders, invoices = (
        ProtectedResource.objects.get(resource=ORDERS),
        make_resource(INVOICES, scopes=("orders:read", "invoices:read")),
    )
    ProtectedResource.objects.filter(pk=orders.pk).update(name="Orders")
    ProtectedResource.objects.filter(pk=invoices.pk).update(name="Invoices")

    text = flow.text_of(page_of(browser, app, scope="openid orders:read", resource=[ORDERS]))
    assert ORDERS in text
    assert INVOICES not in text

    text = flow.text_of(page_of(browser, app, scope="openid orders:read invoices:read"))
    account, _, rest = text.partition("<h2>Invoices</h2>")
    at_invoices, _, at_orders = rest.partition("<h2>Orders</h2>")
    assert "Know that it is you" in account
    assert "invoices:read" in at_invoices
    assert "See your orders" in at_orders
    assert "invoices:read" not in at_orders
