"""The whole road in a real browser: an empty account, an application, a call, its usage, a bill.

Screenshots are kept under `var/screenshots/` (or TOLLGATE_SCREENSHOTS), to be looked at.
"""

import os
import re
import secrets
import shutil
import subprocess
from pathlib import Path

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = Path(os.environ.get("TOLLGATE_SCREENSHOTS") or ROOT / "var" / "screenshots")
SIZES = {"desktop": {"width": 1280, "height": 860}, "phone": {"width": 390, "height": 844}}
USAGE_SECONDS = 5

pytestmark = [
    pytest.mark.live,
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]


@pytest.fixture(scope="module")
def chromium():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture
def page(stack, chromium):
    """A page of a new browser; the test fails when the browser complains about anything."""
    context = chromium.new_context(
        viewport=SIZES["desktop"], base_url=stack.issuer, reduced_motion="reduce"
    )
    page = context.new_page()
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda message: complaints.append(message.text) if message.type == "error" else None,
    )
    yield page
    context.close()
    assert complaints == []


def look(page, name):
    """Keep the page at both sizes in both themes; nothing may be wider than the screen."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for size, viewport in SIZES.items():
        for theme in ("light", "dark"):
            page.set_viewport_size(viewport)
            page.emulate_media(color_scheme=theme)
            too_wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert too_wide <= 0, f"{name} is {too_wide} px too wide on a {size}"
            page.screenshot(path=SCREENSHOTS / f"{name}-{size}-{theme}.png", full_page=True)
    page.set_viewport_size(SIZES["desktop"])
    page.emulate_media(color_scheme="light")


def send(page, words):
    page.locator("main").get_by_role("button", name=words, exact=True).click()
    page.wait_for_load_state()


def sign_up(page):
    """Create an account the way a newcomer does, mail included; return the address."""
    address = f"newcomer-{secrets.token_hex(4)}@example.com"
    password = secrets.token_urlsafe(16)
    page.goto("/")
    look(page, "landing")
    page.get_by_role("banner").get_by_role("link", name="Create an account").click()
    page.fill("[name=email]", address)
    page.fill("[name=password1]", password)
    page.fill("[name=password2]", password)
    look(page, "sign-up")
    send(page, "Create account")
    page.goto("/-/mail/")
    mail = page.locator("article", has_text=address).first
    mail.get_by_role("link", name=re.compile("confirm-email")).click()
    send(page, "Confirm")
    look(page, "consent")
    send(page, "Allow")
    return address


def run_pasted(commands):
    """Run command lines as a terminal would, and return what they print."""
    done = subprocess.run(
        ["bash", "-c", commands], capture_output=True, text=True, timeout=60, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def create_application(page):
    """Create the first application and return the lines that put its credentials in a shell."""
    page.get_by_role("link", name="Create an application").click()
    page.fill("[name=name]", "Order sync")
    look(page, "application-new")
    send(page, "Create application")
    secret = page.locator("#client-secret").inner_text()
    exports = page.locator("#environment").inner_text()
    look(page, "credentials")
    page.reload()
    assert secret not in page.content()
    look(page, "application")
    return exports


def subscribe_to_free_plan(page):
    page.goto("/apis/")
    page.get_by_role("searchbox").press_sequentially("order")
    page.wait_for_url("**/apis/?q=order")
    look(page, "catalog")
    page.get_by_role("link", name="Orders").click()
    look(page, "product")
    page.get_by_role("link", name="Subscribe to Free").click()
    look(page, "subscribe")
    send(page, "Subscribe")


def test_newcomer_gets_from_an_empty_account_to_a_counted_call(page):
    address = sign_up(page)
    main = page.get_by_role("main")
    sync_api.expect(main).to_contain_text(address)
    sync_api.expect(main).to_contain_text("0 of 3 done")
    look(page, "getting-started")
    exports = create_application(page)
    subscribe_to_free_plan(page)
    calls = page.locator("#usage-calls")
    sync_api.expect(calls).to_have_text("0")

    commands = [page.locator(f"#{name}").inner_text() for name in ("token-1", "call-1")]
    run_pasted("\n".join([exports, *commands, "test -n $TOKEN"]))

    # No reload: the panel asks by itself.
    sync_api.expect(calls).to_have_text("1", timeout=USAGE_SECONDS * 1000)
    look(page, "subscription")
    page.goto("/")
    sync_api.expect(main).to_contain_text("Welcome back")
    look(page, "home")


def test_pending_plan_says_who_decides(page):
    sign_up(page)
    page.goto("/apis/orders/plans/growth/")
    page.fill("[name=name]", "Nightly reports")
    send(page, "Ask for Growth")
    page.get_by_role("link", name="I have copied it").click()

    sync_api.expect(page.get_by_role("main")).to_contain_text("has to approve")
    look(page, "subscription-pending")


def test_demo_developer_finds_a_bill_and_signs_out(page, stack):
    developer = stack.quickstart["developer"]
    page.goto("/login/?next=/invoices/")
    page.fill("[name=login]", developer["email"])
    page.fill("[name=password]", developer["password"])
    look(page, "sign-in")
    send(page, "Sign in")
    if "/oauth/consent/" in page.url:
        send(page, "Allow")

    look(page, "invoices")
    page.get_by_role("table").get_by_role("link").first.click()
    sync_api.expect(page.get_by_role("main")).to_contain_text("Total")
    look(page, "invoice")

    page.locator("details.menu summary").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_load_state()
    page.goto("/invoices/")
    assert "/accounts/login/" in page.url


def test_theme_is_remembered_and_the_menu_opens_on_a_phone(page):
    page.set_viewport_size(SIZES["phone"])
    page.goto("/")
    menu = page.get_by_role("button", name="Menu")

    navigation = page.locator("#site-nav")
    sync_api.expect(navigation).to_be_hidden()
    menu.click()
    sync_api.expect(navigation).to_be_visible()
    sync_api.expect(menu).to_have_attribute("aria-expanded", "true")
    page.get_by_role("button", name="Switch between light and dark").click()
    page.goto("/apis/")

    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_chart_is_read_with_the_keyboard(page, stack):
    developer = stack.quickstart["developer"]
    page.goto("/login/?next=/")
    page.fill("[name=login]", developer["email"])
    page.fill("[name=password]", developer["password"])
    send(page, "Sign in")
    if "/oauth/consent/" in page.url:
        send(page, "Allow")
    page.goto("/subscriptions/")
    page.get_by_role("table").get_by_role("link").first.click()
    page.locator(".chart").focus()

    page.keyboard.press("ArrowRight")

    sync_api.expect(page.locator(".chart-readout")).to_contain_text("call")
    sync_api.expect(page.locator(".bar.is-read")).to_have_count(1)
