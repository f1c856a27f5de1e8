"""What people do about their own account."""

import pytest
from playwright.sync_api import expect

from tests.browser.redirect_listener import listen_for_redirect
from tests.browser.visitor import SIZES
from tests.browser.web_app import WebApp

pytestmark = [pytest.mark.live, pytest.mark.browser]

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def let_in(stack, visitor):
    """Let an application in; return the address at which it would ask again."""

    def go(name):
        with listen_for_redirect() as listener:
            _, credentials = visitor.create_application(name, redirect_uri=listener.uri)
            visitor.subscribe("free", application=name)
            address = WebApp(stack, credentials, listener.uri).authorization_url()
            visitor.go(address)
            visitor.press("Allow")
            listener.wait()
        return address

    return go


def test_access_of_an_application_is_seen_and_taken_back(visitor, let_in):
    address = visitor.sign_up()
    authorization = let_in("Parcel radar")
    visitor.go("/")
    visitor.page.locator("details.menu summary").click()
    visitor.open(visitor.page.get_by_role("link", name="Account", exact=True))
    visitor.sees(address)
    visitor.sees("See orders and what happened to them")
    visitor.sees("This browser")
    visitor.sees("Part of this service")  # the portal, which asked nobody
    visitor.look("account")

    visitor.follow("Withdraw the access of Parcel radar")
    visitor.sees("must ask you again")
    visitor.look("account-withdraw")
    visitor.press("Withdraw access")

    visitor.sees("Parcel radar has no access any more")
    expect(visitor.main.get_by_role("heading", name="Parcel radar", exact=True)).to_have_count(0)
    visitor.go(authorization)
    assert visitor.is_asked_for_consent() is True


def test_account_page_is_used_with_the_keyboard_on_a_phone(visitor, let_in):
    page = visitor.page
    visitor.sign_up()
    let_in("Keyed")
    page.set_viewport_size(SIZES["phone"])
    visitor.go("/account/")

    link = visitor.main.get_by_role("link", name="Withdraw the access of Keyed")
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
