"""The whole road as a new developer walks it: an empty account, an application, a call, a bill."""

import json
import re
import subprocess
import time
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.redirect_listener import listen_for_redirect
from tests.browser.web_app import WebApp

USAGE_SECONDS = 5
RECENT_SECONDS = 30  # gateways send them every 5 s
REVOCATION_SECONDS = 1
ROOT = Path(__file__).resolve().parents[2]
ORDER = "/orders/v1/orders/42"

pytestmark = [pytest.mark.live, pytest.mark.browser]


def test_from_an_empty_account_to_a_counted_call(stack, visitor):
    address = visitor.sign_up()
    visitor.sees(address)
    visitor.sees("0 of 3 done")
    visitor.look("getting-started")
    application, credentials = visitor.create_application("Order sync")
    visitor.look("application-new-born")
    visitor.find_product("order", "Orders")
    visitor.subscribe("free", application="Order sync")
    calls = visitor.page.locator("#usage-calls")
    expect(calls).to_have_text("0")

    token = stack.token(scope="orders:read", client=credentials)
    answer = stack.call("GET", ORDER, token=token)
    called_at = time.monotonic()

    assert answer.status_code == 200
    assert answer.json()["order"]["id"] == "42"
    # No reload: the panel asks by itself.
    expect(calls).to_have_text("1", timeout=USAGE_SECONDS * 1000)
    assert time.monotonic() - called_at < USAGE_SECONDS
    expect(visitor.main).to_contain_text("1 of 1,000 calls this month")
    expect(visitor.page.locator("#usage-table tbody tr")).to_have_count(1)
    visitor.look("subscription")
    visitor.go("/")
    visitor.sees("Welcome back")
    visitor.look("home")
    _look_at_recent_calls(visitor, application, answer.headers["x-request-id"])


def _look_at_recent_calls(visitor, application, request_id):
    asked_at = time.monotonic()
    visitor.go(application)
    recent = visitor.main.locator("#recent")
    while recent.locator("tbody tr").count() == 0:
        assert time.monotonic() - asked_at < RECENT_SECONDS
        time.sleep(0.5)
        visitor.go(application)
    expect(recent).to_contain_text(request_id)
    visitor.look("application")
    visitor.page.get_by_label("Outcome").select_option("Server errors (5xx)")
    visitor.press("Filter")
    visitor.sees("No call matches")
    visitor.look("application-no-call-matches")
    visitor.open(recent.get_by_role("link", name="Show all").first)
    visitor.sees(request_id)


def test_command_lines_of_the_portal_work_when_pasted(visitor):
    visitor.sign_up()
    visitor.go("/apis/orders/plans/free/")
    visitor.page.fill("[name=name]", "Pasted")
    visitor.press("Subscribe")
    exports = visitor.read("environment")
    visitor.follow("I have copied it")

    pasted = "\n".join([exports, visitor.read("token-1"), visitor.read("call-1")])
    done = subprocess.run(
        ["bash", "-ec", pasted], capture_output=True, text=True, timeout=60, check=False, cwd=ROOT
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["orders"]


def test_credentials_are_shown_once(visitor):
    visitor.sign_up()
    visitor.go("/apps/new/")
    visitor.page.fill("[name=name]", "Once")
    visitor.press("Create application")
    secret = visitor.read_credentials()["client_secret"]

    visitor.page.reload()

    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Once")
    assert secret not in visitor.page.content()
    visitor.page.go_back()
    assert secret not in visitor.page.content()


def test_web_app_gets_a_token_for_its_user(stack, visitor):
    visitor.sign_up()
    with listen_for_redirect() as listener:
        _, credentials = visitor.create_application("Parcel radar", redirect_uri=listener.uri)
        visitor.subscribe("free", application="Parcel radar")
        app = WebApp(stack, credentials, listener.uri)
        visitor.go(app.authorization_url())
        for words in ("Parcel radar", "See orders and what happened to them", listener.origin):
            visitor.sees(words)
        visitor.look("consent")
        visitor.press("Allow")
        returned = listener.wait()

    tokens = app.redeem(returned)
    answer = stack.call("GET", ORDER, token=tokens["access_token"])
    assert answer.status_code == 200
    person = app.read_userinfo(tokens["access_token"])
    assert answer.json()["received"]["claims"]["sub"] == person["sub"]

    rotated = app.refresh(tokens["refresh_token"]).json()
    assert rotated["refresh_token"] != tokens["refresh_token"]
    assert stack.call("GET", ORDER, token=rotated["access_token"]).status_code == 200
    repeated = app.refresh(tokens["refresh_token"]).json()  # as if the answer had been lost
    assert repeated["refresh_token"] == rotated["refresh_token"]
    assert app.refresh(rotated["refresh_token"]).status_code == 200
    replayed = app.refresh(tokens["refresh_token"])
    assert (replayed.status_code, replayed.json()["error"]) == (400, "invalid_grant")


def test_person_who_denies_sends_the_app_away_with_nothing(stack, visitor):
    visitor.sign_up()
    with listen_for_redirect() as listener:
        _, credentials = visitor.create_application("Nosy", redirect_uri=listener.uri)
        visitor.subscribe("free", application="Nosy")
        app = WebApp(stack, credentials, listener.uri)
        visitor.go(app.authorization_url())
        visitor.press("Deny")
        returned = listener.wait()

    assert returned["error"] == "access_denied"
    assert "code" not in returned


def test_rotated_secret_ends_the_old_one_at_once(stack, visitor):
    visitor.sign_up()
    page, old = visitor.create_application("Nightly")
    visitor.subscribe("free", application="Nightly")
    visitor.go(page)
    visitor.follow("Rotate")
    visitor.look("rotate")
    visitor.press("Rotate the secret")
    new = visitor.read_credentials()

    refused = httpx.post(
        f"{stack.issuer}/oauth/token",
        data={"grant_type": "client_credentials", "scope": "orders:read"},
        auth=(old["client_id"], old["client_secret"]),
    )

    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    assert stack.token(scope="orders:read", client=new)


def test_deleted_application_is_refused_within_a_second(stack, visitor):
    visitor.sign_up()
    page, credentials = visitor.create_application("Short-lived")
    visitor.subscribe("free", application="Short-lived")
    token = stack.token(scope="orders:read", client=credentials)
    assert stack.call("GET", ORDER, token=token).status_code == 200
    visitor.go(page)
    visitor.follow("Delete…")
    visitor.look("delete")
    visitor.press("Delete this application")

    time.sleep(REVOCATION_SECONDS)

    answers = {stack.call("GET", ORDER, token=token).status_code for _ in range(6)}
    assert answers == {401}
    visitor.sees("Short-lived was deleted")
    visitor.look("applications-empty")


def test_demo_developer_finds_a_bill_and_signs_out(stack, visitor):
    visitor.sign_in(stack.quickstart["developer"], then="/invoices/")
    visitor.look("invoices")
    visitor.open(visitor.main.get_by_role("table").get_by_role("link"))
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text(re.compile("Invoice for"))
    expect(visitor.page.locator("tbody tr").first).to_be_visible()
    visitor.sees("Total")
    visitor.look("invoice")

    visitor.sign_out()
    visitor.look("signed-out")

    visitor.go("/invoices/")
    assert "/accounts/login/" in visitor.page.url
