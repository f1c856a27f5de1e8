from datetime import timedelta

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import path
from django.utils import timezone

from ams.metering.models import QuarantinedUsage
from ams.metering.services.fold_usage_batches import fold_usage_batches
from ams.metering.services.store_usage_batch import store_usage_batch
from tests.factories.usage import make_batch, make_row

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
    assert "waiting for 0 s" in page("usagebatchrecord/")

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
