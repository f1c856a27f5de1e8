from datetime import date

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import path

from ams.billing.models import Invoice
from ams.billing.services.close_period import close_period
from tests.factories.usage import make_plan, make_subscription

pytestmark = pytest.mark.django_db

urlpatterns = [path("admin/", admin.site.urls)]
LIST = "/admin/billing/invoice/"


@pytest.fixture
def invoice():
    plan = make_plan(
        components=[{"kind": "flat_fee", "label": "Base fee", "amount_minor": 4900}],
        currency="KWD",
    )
    make_subscription(plan=plan)
    close_period(period_start=date(2026, 9, 1))
    return Invoice.objects.get()


@pytest.fixture
def sign_in(settings):
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = [
        name for name in settings.MIDDLEWARE if name.startswith("django.contrib.")
    ]

    def with_permissions(*codenames):
        user = get_user_model().objects.create(username="ada", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client = Client()
        client.force_login(user, "django.contrib.auth.backends.ModelBackend")
        return client

    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
    return with_permissions


def _run(client, action, invoice):
    return client.post(LIST, {"action": action, "_selected_action": [str(invoice.pk)]})


def test_an_invoice_is_shown_with_its_lines_and_no_way_to_edit_it(sign_in, invoice):
    client = sign_in("view_invoice", "view_invoiceline", "change_invoice")

    page = client.get(f"{LIST}{invoice.pk}/change/").content.decode()

    assert "Base fee" in page
    assert "4.900 KWD" in page
    assert "_save" not in page


def test_an_invoice_says_whose_it_is_and_of_which_month(sign_in, invoice):
    page = sign_in("view_invoice").get(f"{LIST}{invoice.pk}/change/").content.decode()

    assert str(invoice) == f"{invoice.subscriber}, 2026-09, KWD"
    assert str(invoice) in page
    assert str(invoice.lines.get()).endswith("Base fee")
    assert "Invoice object" not in page


def test_finalize_and_void_follow_each_other(sign_in, invoice):
    client = sign_in("view_invoice", "change_invoice")

    assert _run(client, "finalize", invoice).status_code == 302
    invoice.refresh_from_db()
    assert invoice.status == "finalized"
    _run(client, "void", invoice)
    invoice.refresh_from_db()
    assert invoice.status == "voided"


def test_a_refused_action_says_why(sign_in, invoice):
    client = sign_in("view_invoice", "change_invoice")

    _run(client, "void", invoice)

    assert "Only a finalized invoice can be voided" in client.get(LIST).content.decode()


def test_who_may_only_look_cannot_finalize(sign_in, invoice):
    client = sign_in("view_invoice")

    _run(client, "finalize", invoice)

    invoice.refresh_from_db()
    assert invoice.status == "draft"
