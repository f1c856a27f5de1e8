from datetime import timedelta

import pytest
from django.utils import timezone

from ims.models import DeviceAuthorization
from ims.tasks import purge_expired
from tests.factories.identity import make_client

pytestmark = pytest.mark.django_db


def make_request(number, **age):
    return DeviceAuthorization.objects.create(
        digest=bytes([number]) * 32,
        user_code_digest=bytes([number]) * 32,
        client=make_client().client,
        interval_seconds=5,
        expires_at=timezone.now() - timedelta(**age),
    )


def test_task_keeps_a_code_for_a_day_so_that_its_replay_is_seen():
    make_request(1, hours=25)
    young = make_request(2, hours=23)

    purge_expired()

    assert list(DeviceAuthorization.objects.all()) == [young]
