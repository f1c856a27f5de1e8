import re
from datetime import UTC, timedelta

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import path
from django.utils import timezone

from ams.metering.models import HourlyUsage, QuarantinedUsage, UsageSource
from ams.metering.services.fold_usage_batches import fold_usage_batches
from ams.metering.services.note_usage_report import note_usage_report
from ams.metering.services.store_usage_batch import store_usage_batch
from tests.factories.usage import make_batch, make_row
from wire.usage_report import UsageReport

pytestmark = pytest.mark.django_db

urlpatterns = [path("admin/", admin.site.urls)]


@pytest.fixture
def page(settings):
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = [
        name for name in settings.MIDDLEWARE if name.startswith("django.contrib.")
    ]
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
    user = get_user_model().objects.create(username="ada", is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(user)

    def read(address):
        answer = client.get(f"/admin/metering/{address}")
        assert answer.status_code == 200
        return answer.content.decode()

    def post(address, data):
        assert client.post(f"/admin/metering/{address}", data).status_code == 302

    read.post = post
    return read


@pytest.fixture(autouse=True)
def _usage():
    now = timezone.now()
    store_usage_batch(
        document=make_batch(
            make_row(now, operation_id="list_orders", calls=77),
            make_row(now - timedelta(days=90), operation_id="too_late"),
        )
    )


def test_a_waiting_batch_shows_how_long_it_waits(page):
    assert re.search(r"waiting for \d+ s", page("usagebatchrecord/"))

    fold_usage_batches()

    assert "waiting for" not in page("usagebatchrecord/")


@pytest.mark.parametrize("kind", ["hourlyusage", "dailyusage"])
def test_rollups_are_shown_and_nothing_can_be_added(page, kind):
    fold_usage_batches()

    listed = page(f"{kind}/")

    assert "list_orders" in listed
    assert "too_late" not in listed
    assert f"/admin/metering/{kind}/add/" not in listed


def test_the_quarantine_shows_what_was_not_counted(page):
    fold_usage_batches()
    quarantined = QuarantinedUsage.objects.get()

    assert "late" in page("quarantinedusage/?reason__exact=late")
    assert "too_late" in page(f"quarantinedusage/{quarantined.pk}/change/")


def test_an_operator_sees_lag_spool_and_the_reconciled_minute_and_forgets_a_machine(page):
    now = timezone.now()
    for node, minutes in (("gone-0", 90), ("here-0", 2)):
        until = int((now - timedelta(minutes=minutes)).timestamp())
        note_usage_report(report=UsageReport(node, until, 262_144, 5, 6))
    fold_usage_batches()
    minute = (now - timedelta(minutes=91)).astimezone(UTC)

    listed = page("usagesource/")

    assert f"{minute:%Y-%m-%d %H:%M}" in listed
    assert "256.0" in listed
    assert "gone-0" in listed
    page.post("usagesource/", {"action": "forget", "_selected_action": ["gone-0"]})
    assert UsageSource.objects.get().node == "here-0"


def test_quarantined_usage_is_released_and_discarded_from_the_list(page):
    fold_usage_batches()
    usage = QuarantinedUsage.objects.get()

    page.post("quarantinedusage/", {"action": "release", "_selected_action": [usage.pk]})
    page.post("quarantinedusage/", {"action": "discard", "_selected_action": [usage.pk]})

    usage.refresh_from_db()
    assert (usage.resolution, usage.resolved_by) == ("released", "ada")
    assert HourlyUsage.objects.get(operation_id="too_late").calls == 1
    assert "released" in page("quarantinedusage/?resolution__exact=released")
