"""What an administrator does in admin is what developers and callers meet at once."""

import time

import pytest
from playwright.sync_api import expect

from tests.browser.redirect_listener import listen_for_redirect

ENFORCED_SECONDS = 1

pytestmark = [pytest.mark.live, pytest.mark.browser]


@pytest.fixture
def administrator(stack, new_visitor):
    person = new_visitor()
    person.enter_admin(stack.quickstart["admin"])
    person.look("admin-index")
    return person


def test_paid_plan_waits_for_the_administrator(stack, visitor, administrator):
    visitor.sign_up()
    _, credentials = visitor.create_application("Nightly reports")
    subscription = visitor.subscribe("growth", application="Nightly reports")
    visitor.sees("has to approve")
    visitor.look("subscription-pending")
    token = stack.token(scope="orders:read", client=credentials)
    assert stack.call("GET", "/orders/v1/orders/42", token=token).status_code == 403

    administrator.go(f"/admin/subscriptions/subscription/?q={credentials['client_id']}")
    administrator.look("admin-subscriptions")
    administrator.open(administrator.page.locator("#result_list tbody th a"))
    administrator.open(administrator.page.get_by_role("button", name="Approve", exact=True))

    assert _seconds_until_status(stack, "/orders/v1/orders/42", token, 200) < ENFORCED_SECONDS
    visitor.go(subscription)
    expect(visitor.main.locator(".page-head")).to_contain_text("Active")


def test_changed_scope_is_enforced_within_a_second(stack, administrator):
    with listen_for_redirect() as upstream:  # answers every GET
        api = stack.new_api(upstream_url=upstream.origin)
        path, token = f"{api.base_path}/anything", api.token()
        assert stack.call("GET", path, token=token).status_code == 200

    page = administrator.page
    administrator.go(f"/admin/catalog/api/?q={api.slug}")
    administrator.open(page.locator("#result_list tbody th a"))
    page.get_by_role("link", name="Scopes").click()
    page.get_by_text("Add another Scope").click()
    page.fill("[name=scopes-1-name]", f"{api.slug}:manage")
    page.fill("[name=scopes-1-description]", "Manage it")
    page.get_by_role("link", name="Operations").click()
    page.fill("[name=operations-0-scopes]", f"{api.slug}:manage")
    administrator.open(page.get_by_role("button", name="Save", exact=True))

    assert _seconds_until_status(stack, path, token, 403) < ENFORCED_SECONDS


def test_demo_api_is_shown_with_its_operations(administrator):
    page = administrator.page
    administrator.go("/admin/catalog/api/")
    administrator.look("admin-apis")
    administrator.open(page.locator("#result_list").get_by_role("link", name="Orders", exact=True))
    administrator.look("admin-api")
    page.get_by_role("link", name="Operations").click()
    expect(page.locator("[name=operations-1-operation_id]")).to_be_visible()
    administrator.look("admin-api-operations")


def test_tabs_stay_in_sight_however_the_window_changes(administrator):
    page = administrator.page
    administrator.go("/admin/catalog/api/?q=orders")
    administrator.open(page.locator("#result_list tbody th a"))
    for width in (240, 1280):
        page.set_viewport_size({"width": 1, "height": 800})  # as a picture of the whole page does
        page.set_viewport_size({"width": width, "height": 800})
        for tab in ("General", "Scopes", "Operations"):
            expect(page.get_by_role("link", name=tab)).to_be_in_viewport(ratio=1)


def _seconds_until_status(stack, path, token, wanted):
    """How long until every worker answers so: a run of calls on connections of their own."""
    began, run = time.monotonic(), 0
    changed_at = began
    while run < 6:
        right = stack.call("GET", path, token=token, fresh=True).status_code == wanted
        run = run + 1 if right else 0
        if not right:
            changed_at = time.monotonic()
        assert time.monotonic() - began < 10, f"never {wanted}"
    return changed_at - began
