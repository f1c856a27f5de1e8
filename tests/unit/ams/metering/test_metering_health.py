from datetime import timedelta

import pytest
from django.utils import timezone

from ams.metering.models import UsageBatchRecord
from ams.metering.queries.get_metering_health import get_metering_health
from ams.metering.services.fold_usage_batches import fold_usage_batches
from ams.metering.services.store_usage_batch import store_usage_batch
from tests.factories.usage import make_batch, make_row

pytestmark = pytest.mark.django_db


def test_an_empty_installation_is_healthy():
    health = get_metering_health()

    assert (health.unfolded, health.oldest_unfolded_seconds, health.quarantined) == (0, 0.0, 0)
    assert health.last_folded_minute is None


def test_figures_tell_how_far_folding_is_behind():
    now = timezone.now()
    store_usage_batch(document=make_batch(make_row(now), make_row(now - timedelta(days=50))))
    fold_usage_batches()
    store_usage_batch(document=make_batch(make_row(now)))
    UsageBatchRecord.objects.filter(folded_at=None).update(received_at=now - timedelta(minutes=3))

    health = get_metering_health()

    assert (health.unfolded, health.quarantined) == (1, 1)
    assert 180 <= health.oldest_unfolded_seconds < 240
    assert health.last_folded_minute == now.replace(second=0, microsecond=0)
