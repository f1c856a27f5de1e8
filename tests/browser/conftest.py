"""A browser whose every page is audited, and the people who use it."""

import shutil
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.browser.visitor import Visitor

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
AUDIT = Path(__file__).with_name("page_audit.js").read_text()
SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def pytest_collection_modifyitems(items):
    """Skip before the stack is started for nothing."""
    if CHROMIUM is None:
        for item in items:
            if item.get_closest_marker("browser"):
                item.add_marker(
                    pytest.mark.skip(reason="no chromium on the PATH (Debian: chromium)")
                )


@pytest.fixture(scope="module")
def chromium():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(SWITCHES))
        yield browser
        browser.close()


@pytest.fixture
def new_visitor(stack, chromium):
    """Make visitors, each with a browser profile of its own; none may have a complaint."""
    visitors = []

    def make():
        context = chromium.new_context(
            viewport={"width": 1280, "height": 800},
            base_url=stack.issuer,
            reduced_motion="reduce",
        )
        context.add_init_script(AUDIT)
        visitors.append(Visitor(context, site=urlsplit(stack.issuer).netloc))
        return visitors[-1]

    yield make
    complaints = [complaint for visitor in visitors for complaint in visitor.leave()]
    assert complaints == []


@pytest.fixture
def visitor(new_visitor):
    return new_visitor()
