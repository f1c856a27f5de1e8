import pytest
import redis

from ams import api as ams_api
from ams.data import SubscriberRef
from ams.metering import recent_call_store
from ams.metering.recent_call_store import add_calls
from portal.models import Application
from tests.factories.catalog import make_plan
from tests.unit.portal.test_applications import create
from wire.recent_calls import RecentCall

ADA = SubscriberRef(subject="ada", email="ada@example.com")


@pytest.fixture
def page(developer):
    """Return `page(**query)`: the text of the application's page; `page.add` makes calls."""
    create(developer)
    application = Application.objects.get()
    subscription = ams_api.subscribe_to_plan(
        subscriber=ADA,
        client_id=application.client_id,
        application_name=application.name,
        plan_id=make_plan().id,
    )

    def read(**query):
        answer = developer.get(f"/apps/{application.id}/", query)
        assert answer.status_code == 200
        return answer.content.decode().partition('id="recent"')[2]

    def add(operation, status, at, problem=""):
        add_calls(
            [
                RecentCall(
                    str(subscription.id),
                    at,
                    "orders",
                    operation,
                    "GET",
                    status,
                    7,
                    f"request-{at}",
                    problem,
                )
            ]
        )

    read.add = add
    return read


def test_application_without_calls_says_so(page):
    assert "No calls yet" in page()


def test_calls_are_listed_with_what_became_of_them(page):
    page.add("list_orders", 200, 1000)
    page.add("get_order", 429, 1001, "/problems/rate-limited")

    text = page()

    assert text.index("request-1001") < text.index("request-1000")
    assert "Rate limited" in text
    assert "7 ms" in text


def test_filters_leave_what_matches(page):
    page.add("list_orders", 200, 1000)
    page.add("get_order", 429, 1001)
    page.add("get_order", 503, 1002)

    def found(**query):
        text = page(**query)
        return {at for at in (1000, 1001, 1002) if f"request-{at}" in text}

    assert found() == {1000, 1001, 1002}
    assert found(outcome="4") == {1001}
    assert found(operation="orders: get_order") == {1001, 1002}
    assert found(outcome="5", operation="orders: get_order") == {1002}
    assert found(outcome="'><b>", operation="none") == {1000, 1001, 1002}
    assert found(outcome="2", operation="orders: get_order") == set()


def test_nothing_that_matches_is_told_apart_from_nothing_at_all(page):
    page.add("list_orders", 200, 1000)

    text = page(outcome="5")

    assert "No call matches" in text
    assert "Show all" in text


def test_what_a_gateway_sent_is_escaped(page):
    page.add("<script>", 200, 1000)

    assert "<script>" not in page().replace("<script nonce", "").replace("<script src", "")


def test_page_is_there_without_valkey(page, monkeypatch):
    nowhere = redis.Redis(host="127.0.0.1", port=1)
    monkeypatch.setattr(recent_call_store, "_client", lambda: nowhere)

    assert "cannot be shown right now" in page()
