"""A person at a browser: what they do on the portal's pages, in the words of those pages."""

import os
import re
import secrets
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import expect

SIZES = {"desktop": {"width": 1280, "height": 800}, "phone": {"width": 360, "height": 780}}
SCREENSHOTS = Path(
    os.environ.get("TOLLGATE_SCREENSHOTS") or Path(tempfile.gettempdir()) / "tollgate-screenshots"
)
_kept: set[str] = set()
# A page that is left while it asks for something, as the live usage panel does every 2 s.
ABORTED = "net::ERR_ABORTED"


class Visitor:
    """One browser profile with one open page; `complaints` is what the browser found wrong."""

    def __init__(self, context, *, site):
        self.context = context
        self.page = context.new_page()
        self.complaints = []
        self.password = ""  # the one chosen at sign-up
        self._site = site
        self.page.on("pageerror", lambda error: self._complain(f"script error: {error}"))
        self.page.on("console", self._hear)
        self.page.on("requestfailed", self._notice_failed)
        self.page.on("response", self._notice_answer)

    def leave(self):
        self.context.close()
        return self.complaints

    def _complain(self, words):
        self.complaints.append(words)

    def _hear(self, message):
        """Only the site's own pages are audited, not where a test's application lives."""
        here = urlsplit(message.page.url).netloc if message.page else self._site
        if message.type in {"error", "warning"} and here == self._site:
            self._complain(f"console: {message.text}")

    def _notice_failed(self, request):
        if request.failure != ABORTED:
            self._complain(f"request failed: {request.method} {request.url} {request.failure}")

    def _notice_answer(self, response):
        if response.status >= 400:
            self._complain(f"HTTP {response.status}: {response.request.method} {response.url}")

    # --- looking --------------------------------------------------------------------------

    @property
    def main(self):
        return self.page.locator("main")

    def sees(self, words):
        expect(self.main).to_contain_text(words)

    def look(self, name):
        """Keep the page at both sizes in both themes; nothing may be wider than the screen.

        Each name is kept once: many tests pass the same pages on their way.
        """
        if name in _kept:
            return
        _kept.add(name)
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        for size, viewport in SIZES.items():
            for theme in ("light", "dark"):
                self.page.set_viewport_size(viewport)
                self.page.emulate_media(color_scheme=theme)
                self._require_fit(f"{name} on a {size}")
                self.page.screenshot(
                    path=SCREENSHOTS / f"{name}-{size}-{theme}.png", full_page=True
                )
        self.page.set_viewport_size(SIZES["desktop"])
        self.page.emulate_media(color_scheme="light")

    def _require_fit(self, what):
        too_wide = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert too_wide <= 0, f"{what} is {too_wide} px too wide"

    # --- acting ---------------------------------------------------------------------------

    def go(self, address):
        self.page.goto(address)

    def follow(self, words):
        self.open(self.main.get_by_role("link", name=words, exact=True))

    def press(self, words):
        self.open(self.main.get_by_role("button", name=words, exact=True))

    def open(self, what):
        """Click what leads to another page, and wait until that is there."""
        with self.page.expect_navigation():
            what.first.click()

    def sign_up(self):
        """Create an account as a newcomer does, mail included; return its address."""
        address = f"newcomer-{secrets.token_hex(4)}@example.com"
        self.password = password = secrets.token_urlsafe(16)
        self.go("/")
        self.look("landing")
        banner = self.page.get_by_role("banner")
        self.open(banner.get_by_role("link", name="Create an account"))
        self.page.fill("[name=email]", address)
        self.page.fill("[name=password1]", password)
        self.page.fill("[name=password2]", password)
        self.look("sign-up")
        self.press("Create account")
        self.look("check-your-mail")
        self.go("/-/mail/")
        self.look("mailbox")
        mail = self.page.locator("article", has_text=address).first
        self.open(mail.get_by_role("link", name=re.compile("confirm-email")))
        self.look("confirm-address")
        self.press("Confirm")
        return address

    def sign_in(self, person, *, then="/"):
        self.go(f"/login/?next={then}")
        self.page.fill("[name=login]", person["email"])
        self.page.fill("[name=password]", person["password"])
        self.look("sign-in")
        self.press("Sign in")

    def is_asked_for_consent(self):
        return urlsplit(self.page.url).path.startswith("/oauth/consent/")

    def enter_admin(self, administrator):
        self.go("/admin/")
        self.page.fill("[name=login]", administrator["username"])
        self.page.fill("[name=password]", administrator["password"])
        self.press("Sign in")
        expect(self.page.get_by_role("heading", level=1)).to_contain_text("Site administration")

    def sign_out(self):
        self.page.locator("details.menu summary").click()
        self.open(self.page.get_by_role("button", name="Sign out"))

    def read(self, identifier):
        return self.page.locator(f"#{identifier}").inner_text()

    def read_credentials(self):
        """The credentials on the page that shows them once."""
        return {
            "client_id": self.read("client-id"),
            "client_secret": self.read("client-secret"),
        }

    def create_application(self, name, *, redirect_uri=None):
        """Register an application; return its page's address and its credentials."""
        self.go("/apps/new/")
        self.page.fill("[name=name]", name)
        if redirect_uri is not None:
            self.page.get_by_label("Web app with users").check()
            self.page.fill("[name=redirect_uris]", redirect_uri)
        self.look("application-new")
        self.press("Create application")
        credentials = self.read_credentials()
        self.look("credentials")
        self.follow("I have copied it")
        return self.page.url, credentials

    def find_product(self, words, name):
        """Search the catalog as one types, and open what was found, its reference too."""
        self.go("/apis/")
        self.page.get_by_role("searchbox").press_sequentially(words)
        self.page.wait_for_url(f"**/apis/?q={words}")
        self.look("catalog")
        self.follow(name)
        self.look("product")
        self.open(self.main.locator("#apis ~ .grid a"))
        self.look("api-reference")

    def subscribe(self, plan, *, application):
        """Ask for a plan of the orders product; end on the subscription's page, its address."""
        self.go(f"/apis/orders/plans/{plan}/")
        self.page.get_by_label(application, exact=True).check()
        self.look("subscribe")
        self.main.locator("form button[type=submit]").click()
        self.page.wait_for_url("**/subscriptions/*/")
        return self.page.url
