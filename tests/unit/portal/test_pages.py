import re
import uuid
from datetime import date

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from ams import api as ams_api
from ams.billing.models import Invoice, InvoiceLine
from ams.data import SubscriberRef
from ams.plans.models import Quota
from ams.plans.specs import QuotaSpec, RateLimitSpec
from ams.subscriptions.models import Subscriber
from portal.models import Application
from tests.factories.catalog import make_plan, make_product, paid_component
from tests.unit.portal.test_applications import create, submission_of

ADA = SubscriberRef(subject="ada", email="ada@example.com")


@pytest.fixture
def subscription(developer):
    """An active subscription of the signed-in developer's application."""
    create(developer)
    application = Application.objects.get()
    return ams_api.subscribe_to_plan(
        subscriber=ADA,
        client_id=application.client_id,
        application_name=application.name,
        plan_id=make_plan().id,
    )


@pytest.fixture
def invoice(subscription):
    invoice = Invoice.objects.create(
        subscriber=Subscriber.objects.get(subject="ada"),
        period_start=date(2026, 2, 1),
        period_end=date(2026, 3, 1),
        currency="EUR",
        total_minor=2934,
    )
    InvoiceLine.objects.create(
        invoice=invoice,
        subscription_id=subscription.id,
        position=1,
        description="Calls",
        quantity=17,
        unit_price="0.0020000000",
        amount_minor=34,
    )
    Invoice.objects.filter(pk=invoice.pk).update(status="finalized")
    return invoice


# --- catalog ---


def test_catalog_is_open_to_visitors(visitor):
    make_plan()

    assert b"Orders" in visitor.get("/apis/").content
    page = visitor.get("/apis/orders/").content
    assert b"Free" in page
    assert b"/apis/orders/reference/orders/" in page


def test_search_answers_htmx_with_the_results_alone(visitor):
    make_product()

    found = visitor.get("/apis/", {"q": "orders"}, headers={"HX-Request": "true"})
    nothing = visitor.get("/apis/", {"q": "weather"}, headers={"HX-Request": "true"})

    assert b"<html" not in found.content
    assert b"/apis/orders/" in found.content
    assert "Nothing matches “weather”" in nothing.content.decode()


def test_search_text_is_shown_as_text(visitor):
    response = visitor.get("/apis/", {"q": "<script>alert(1)</script>\0"})

    assert b"<script>alert" not in response.content


@pytest.mark.parametrize(
    "address", ["/apis/none/", "/apis/orders/reference/none/", "/apis/none/plans/none/"]
)
def test_unknown_things_are_404(developer, address):
    make_product()

    assert developer.get(address).status_code == 404


def test_reference_shows_command_lines_for_the_real_gateway(visitor):
    make_plan()

    page = visitor.get("/apis/orders/reference/orders/").content.decode()

    assert f"{settings.GATEWAY_URL}/orders/v1/orders/42" in page
    assert "scope=orders:read" in page
    assert f"resource={settings.GATEWAY_URL}/orders/v1" in page
    assert "--cacert" in page


# --- subscribing ---


def subscribe(browser, **changes):
    address = "/apis/orders/plans/free/"
    form = {"application": "new", "name": "Order sync"}
    form["submission"] = submission_of(browser.get(address))
    return browser.post(address, form | changes)


def test_subscribing_with_a_new_application_shows_its_credentials(developer, token_service):
    make_plan()

    response = subscribe(developer)

    made = ams_api.list_subscriptions(subscriber=ADA)[0]
    application = Application.objects.get()
    assert (made.client_id, made.status) == (application.client_id, "active")
    secret = token_service.clients[application.client_id]["client_secret"]
    assert secret.encode() in response.content
    assert f"/subscriptions/{made.id}/".encode() in response.content


def test_subscribing_with_an_own_application_leads_to_the_subscription(developer):
    make_plan()
    create(developer)

    response = subscribe(developer, application=str(Application.objects.get().id))

    made = ams_api.list_subscriptions(subscriber=ADA)[0]
    assert response["Location"] == f"/subscriptions/{made.id}/"


def test_application_of_another_developer_cannot_be_subscribed(sign_in):
    make_plan()
    create(sign_in("mallory"))
    stranger = str(Application.objects.get().id)

    response = subscribe(sign_in("ada"), application=stranger)

    assert b"Select a valid choice" in response.content
    assert ams_api.list_subscriptions(subscriber=ADA) == ()


def test_second_subscription_to_the_plan_is_explained(developer, subscription):
    response = subscribe(developer, application=str(Application.objects.get().id))

    assert b"already has this plan" in response.content


def test_pending_subscription_says_what_happens_next(developer):
    make_plan(requires_approval=True)
    subscribe(developer)
    made = ams_api.list_subscriptions(subscriber=ADA)[0]

    page = developer.get(f"/subscriptions/{made.id}/").content

    assert b"has to approve" in page
    assert b"Usage, last 24 hours" not in page


def test_cancelling_needs_a_confirmed_post(developer, subscription):
    address = f"/subscriptions/{subscription.id}/cancel/"

    assert b"Keep it" in developer.get(address).content
    assert ams_api.list_subscriptions(subscriber=ADA)[0].status == "active"
    developer.post(address)
    assert ams_api.list_subscriptions(subscriber=ADA)[0].status == "cancelled"


# --- usage ---


def poll(browser, subscription, **query):
    address = f"/subscriptions/{subscription.id}/usage/"
    return browser.get(address, query, headers={"HX-Request": "true"})


def test_poll_answers_204_until_something_changes(developer, subscription):
    panel = poll(developer, subscription)
    version = re.search(rb"version=([0-9a-f]+)", panel.content)[1].decode()

    assert b"every 2s" in panel.content
    assert poll(developer, subscription, version=version).status_code == 204
    assert poll(developer, subscription, version="older").status_code == 200


def test_paused_panel_polls_no_more(developer, subscription):
    panel = poll(developer, subscription, live="0").content

    assert b"every 2s" not in panel
    assert b"Resume" in panel


def test_pausing_works_without_scripts(developer, subscription):
    response = developer.get(f"/subscriptions/{subscription.id}/usage/", {"live": "0"})

    assert response["Location"] == f"/subscriptions/{subscription.id}/?live=0"
    assert b"Resume" in developer.get(response["Location"]).content


@pytest.mark.parametrize("page", ["", "usage/", "cancel/"])
def test_subscription_of_another_developer_does_not_exist(sign_in, subscription, page):
    stranger = sign_in("mallory")

    assert stranger.get(f"/subscriptions/{subscription.id}/{page}").status_code == 404


# --- invoices ---


def test_invoice_shows_exact_unit_prices_and_the_last_day(developer, invoice):
    page = developer.get(f"/invoices/{invoice.id}/").content.decode()

    assert "€0.002" in page
    assert "€29.34" in page
    assert "1 February 2026 to 28 February 2026" in page


def test_invoice_of_another_developer_does_not_exist(sign_in, invoice):
    assert sign_in("mallory").get(f"/invoices/{invoice.id}/").status_code == 404


# --- the start page ---


def test_start_page_walks_the_developer_through_three_steps(developer):
    plan = make_plan()
    assert b"0 of 3 done" in developer.get("/").content

    create(developer)
    assert b"1 of 3 done" in developer.get("/").content

    application = Application.objects.get()
    ams_api.subscribe_to_plan(
        subscriber=ADA,
        client_id=application.client_id,
        application_name=application.name,
        plan_id=plan.id,
    )
    page = developer.get("/").content.decode()
    assert "2 of 3 done" in page
    assert f"{application.client_id}:$CLIENT_SECRET" in page


# --- every page ---


def list_pages(subscription, invoice):
    application = Application.objects.get()
    return [
        "/",
        "/apis/",
        "/apis/orders/",
        "/apis/orders/reference/orders/",
        "/apis/orders/plans/free/",
        "/apps/",
        "/apps/new/",
        *(f"/apps/{application.id}/{page}" for page in ("", "edit/", "rotate/", "delete/")),
        "/subscriptions/",
        *(f"/subscriptions/{subscription.id}/{page}" for page in ("", "cancel/")),
        "/invoices/",
        f"/invoices/{invoice.id}/",
    ]


def test_pages_hold_nothing_that_a_strict_policy_forbids(developer, subscription, invoice):
    for address in list_pages(subscription, invoice):
        response = developer.get(address)
        page = response.content.decode()
        nonce = re.search(r"'nonce-([^']+)'", response["Content-Security-Policy"])[1]

        assert response.status_code == 200, address
        assert not re.search(r"\son[a-z]+=|\sstyle=|<style|javascript:", page), address
        assert all(f'nonce="{nonce}"' in tag for tag in re.findall(r"<script[^>]*>", page)), address
        assert not re.search(r'(src|href)="https?://', page), address


def test_pages_have_one_heading_a_title_landmarks_and_unique_ids(developer, subscription, invoice):
    for address in list_pages(subscription, invoice):
        page = developer.get(address).content.decode()
        ids = re.findall(r'\sid="([^"]*)"', page)

        assert len(re.findall(r"<h1[ >]", page)) == 1, address
        assert re.search(r"<title>\S.* · Tollgate</title>", page), address
        assert 'class="skip-link" href="#main"' in page, address
        assert len(ids) == len(set(ids)), (address, {name for name in ids if ids.count(name) > 1})
        for name in re.findall(r'aria-(?:labelledby|describedby)="([^"]*)"', page):
            assert set(name.split()) <= set(ids), (address, name)


def test_pages_of_a_developer_are_kept_by_no_cache(developer, subscription, invoice):
    for address in ("/", "/apps/", f"/invoices/{invoice.id}/"):
        assert "no-store" in developer.get(address)["Cache-Control"]


def test_public_pages_are_for_no_shared_cache(visitor):
    response = visitor.get("/apis/")

    assert "private" in response["Cache-Control"]
    assert {"Cookie", "HX-Request"} <= set(response["Vary"].split(", "))


def test_private_pages_send_visitors_to_sign_in(visitor):
    some_id = uuid.uuid4()
    for address in ("/apps/", "/apps/new/", f"/apps/{some_id}/", "/subscriptions/", "/invoices/"):
        response = visitor.get(address)
        assert response.status_code == 302
        assert response["Location"].startswith("/login/?next=%2F"), address


@pytest.mark.parametrize("name", ["logout", "application_new"])
def test_posts_without_a_csrf_token_are_refused(token_service, db, name):
    response = Client(enforce_csrf_checks=True).post(reverse(f"portal:{name}"))

    assert response.status_code == 403
    assert b"This form has expired" in response.content


def test_unknown_address_gets_our_own_page(visitor):
    response = visitor.get("/no-such-page/")

    assert response.status_code == 404
    assert b"Page not found" in response.content


def test_paid_plan_is_described_on_the_product_page(visitor):
    make_plan(slug="paid", name="Paid", components=(paid_component(),))

    assert "€0.002" in visitor.get("/apis/orders/").content.decode()


def test_every_limit_of_a_plan_is_described_on_the_product_page(visitor):
    make_plan(
        rate_limits=(RateLimitSpec(calls=10), RateLimitSpec(name="each", calls=2, per="user")),
        quotas=(QuotaSpec(calls=100, period="day"), QuotaSpec(name="month", calls=1000)),
    )

    page = visitor.get("/apis/orders/").content.decode()

    for words in (
        "10 calls per minute",
        "2 calls per minute for each of your users",
        "100 calls per day, then calls stop",
        "1,000 calls per month, then calls stop",
    ):
        assert f"<span>{words}</span>" in page


def test_each_quota_has_a_bar(developer, subscription):
    for period in ("day", "month"):
        Quota.objects.create(plan_id=subscription.plan.id, name=period, calls=10, period=period)

    page = developer.get(f"/subscriptions/{subscription.id}/").content.decode()

    assert page.count('role="meter"') == 2
    assert "of 10 calls today" in page
    assert "of 10 calls this month" in page
