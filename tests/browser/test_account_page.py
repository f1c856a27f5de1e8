"""What people do about their own account."""

import pytest
from playwright.sync_api import expect

from tests.browser.visitor import SIZES

pytestmark = [pytest.mark.live, pytest.mark.browser]

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


def test_access_of_an_application_is_seen_and_taken_back(visitor):
    address = visitor.sign_up()
    visitor.page.locator("details.menu summary").click()
    visitor.open(visitor.page.get_by_role("link", name="Account", exact=True))
    visitor.sees(address)
    visitor.sees("Know that it is you")
    visitor.sees("This browser")
    visitor.look("account")

    visitor.open(visitor.main.get_by_role("link", name="Withdraw the access of"))
    visitor.sees("must ask you again")
    visitor.look("account-withdraw")
    visitor.press("Withdraw access")

    visitor.sees("has no access any more")
    visitor.sees("No application has access")
    visitor.look("account-empty")
    visitor.sign_out()
    visitor.sign_in({"email": address, "password": visitor.password})
    assert visitor.is_asked_for_consent() is False  # it was asked, and allowed again, on the way
    visitor.go("/account/")
    visitor.sees("Know that it is you")


def test_account_page_is_used_with_the_keyboard_on_a_phone(visitor):
    page = visitor.page
    visitor.sign_up()
    page.set_viewport_size(SIZES["phone"])
    visitor.go("/account/")

    link = visitor.main.get_by_role("link", name="Withdraw the access of").first
    for _ in range(60):
        page.keyboard.press("Tab")
        if link.evaluate("one => one === document.activeElement"):
            break
    with page.expect_navigation():
        page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_contain_text("Withdraw the access of")


def test_passkey_is_added_and_signs_in(visitor):
    page = visitor.page
    browser = visitor.context.new_cdp_session(page)
    browser.send("WebAuthn.enable")
    browser.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    address = visitor.sign_up()
    visitor.go("/accounts/2fa/")
    visitor.look("two-factor")
    visitor.go("/accounts/2fa/webauthn/add/")
    page.fill("[name=password]", visitor.password)
    visitor.look("reauthenticate")
    visitor.press("Confirm")
    page.get_by_label("Passwordless").check()
    visitor.look("passkey-add")
    visitor.press("Add")
    visitor.go("/accounts/2fa/webauthn/")
    visitor.sees("Passkey")
    visitor.look("passkeys")
    visitor.go("/accounts/sessions/")
    visitor.look("sessions")
    visitor.sign_out()

    visitor.go("/accounts/login/")
    visitor.look("sign-in-passkey")
    visitor.press("Sign in with a passkey")

    visitor.go("/account/")
    visitor.sees(address)
    visitor.sees("On")
