"""The portal without a mouse, on a phone, and in the dark."""

import pytest
from playwright.sync_api import expect

from tests.browser.visitor import SIZES

MOST_STEPS = 60
# What a focused element shows that it does not show otherwise.
FOCUS_STYLE = """() => {
  const style = getComputedStyle(document.activeElement);
  return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2
    || style.boxShadow !== "none";
}"""
FOCUSED_NAME = """() => {
  const one = document.activeElement;
  return (one.getAttribute("aria-label") || one.textContent || one.name || "").trim();
}"""

pytestmark = [pytest.mark.live, pytest.mark.browser]


def test_subscribing_needs_no_mouse(stack, visitor):
    page = visitor.page
    developer = stack.quickstart["developer"]
    visitor.go("/")
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUSED_NAME) == "Skip to the content"
    press_with_keyboard(page, "Sign in")
    reach(page, "login")
    page.keyboard.type(developer["email"])
    reach(page, "password")
    page.keyboard.type(developer["password"])
    press_with_keyboard(page, "Sign in")

    press_with_keyboard(page, "APIs")
    press_with_keyboard(page, "Orders")
    press_with_keyboard(page, "Subscribe to Free")
    reach(page, "application")
    page.keyboard.press("ArrowUp")  # from the first choice round to the last: a new one
    page.keyboard.press("Tab")
    page.keyboard.type("By keyboard")
    press_with_keyboard(page, "Subscribe")

    expect(page.get_by_role("heading", level=1)).to_have_text("By keyboard is ready")
    press_with_keyboard(page, "I have copied it")
    expect(visitor.main.locator(".page-head")).to_contain_text("Active")


def test_chart_is_read_with_the_keyboard(stack, visitor):
    visitor.sign_in(stack.quickstart["developer"], then="/subscriptions/")
    page = visitor.page
    visitor.open(visitor.main.get_by_role("table").get_by_role("link"))
    page.locator(".chart").focus()

    page.keyboard.press("ArrowRight")

    expect(page.locator(".chart-readout")).to_contain_text("call")
    expect(page.locator(".bar.is-read")).to_have_count(1)


def test_menu_opens_on_a_phone(visitor):
    page = visitor.page
    page.set_viewport_size(SIZES["phone"])
    visitor.go("/")
    menu, navigation = page.get_by_role("button", name="Menu"), page.locator("#site-nav")
    expect(navigation).to_be_hidden()

    menu.click()

    expect(navigation).to_be_visible()
    expect(menu).to_have_attribute("aria-expanded", "true")


def test_chosen_theme_is_remembered(visitor):
    page = visitor.page
    visitor.go("/")
    page.get_by_role("button", name="Switch between light and dark").click()

    visitor.go("/apis/")

    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def press_with_keyboard(page, name):
    reach(page, name)
    with page.expect_navigation():
        page.keyboard.press("Enter")


def reach(page, name):
    """Go on with Tab until the element of that name has the focus, and shows it at every step."""
    for _ in range(MOST_STEPS):
        if page.evaluate(FOCUSED_NAME) == name:
            return
        page.keyboard.press("Tab")
        here = page.evaluate(FOCUSED_NAME)
        if page.evaluate("document.activeElement !== document.body"):
            assert page.evaluate(FOCUS_STYLE), f"{here!r} does not show its focus"
    pytest.fail(f"no {name!r} is reached with Tab")
