from datetime import UTC, timedelta

import pytest
from django.utils import timezone

from ams.errors import InvalidTransition, NotFound
from ams.metering.models import DailyUsage, HourlyUsage, QuarantinedUsage, UsageBatchRecord
from ams.metering.queries.get_metering_health import get_metering_health
from ams.metering.services.fold_usage_batches import fold_usage_batches
from ams.metering.services.purge_usage_batches import purge_usage_batches
from ams.metering.services.resolve_quarantined_usage import (
    discard_quarantined_usage,
    release_quarantined_usage,
)
from ams.metering.services.store_usage_batch import store_usage_batch
from tests.factories.usage import make_batch, make_row

pytestmark = pytest.mark.django_db


def quarantine(age, **members):
    at = timezone.now() - age
    store_usage_batch(document=make_batch(make_row(at, calls=7, **members)))
    fold_usage_batches()
    return QuarantinedUsage.objects.latest("pk"), at


def test_late_usage_that_is_released_counts_once_in_its_own_hour():
    usage, at = quarantine(timedelta(days=40), status=404, cause="client")

    release_quarantined_usage(usage_id=usage.pk, actor="ada")

    counted = HourlyUsage.objects.get()
    assert (counted.calls, counted.status, counted.cause) == (7, 404, "client")
    assert counted.hour_at == at.replace(minute=0, second=0, microsecond=0)
    assert DailyUsage.objects.get().date == at.astimezone(UTC).date()
    usage.refresh_from_db()
    assert (usage.resolution, usage.resolved_by) == ("released", "ada")
    for decide in (release_quarantined_usage, discard_quarantined_usage):
        with pytest.raises(InvalidTransition, match=r"released on .* by ada"):
            decide(usage_id=usage.pk, actor="bob")
    assert HourlyUsage.objects.get().calls == 7


def test_usage_from_the_future_counts_when_it_arrived():
    usage, _ = quarantine(timedelta(days=-400))
    arrived = UsageBatchRecord.objects.get().received_at

    release_quarantined_usage(usage_id=usage.pk, actor="ada")

    assert HourlyUsage.objects.get().hour_at == arrived.replace(minute=0, second=0, microsecond=0)


def test_what_is_discarded_never_counts_and_is_off_the_list():
    usage, _ = quarantine(timedelta(days=40))
    assert get_metering_health().quarantined == 1

    discard_quarantined_usage(usage_id=usage.pk, actor="ada")

    assert not HourlyUsage.objects.exists()
    assert get_metering_health().quarantined == 0
    with pytest.raises(NotFound):
        discard_quarantined_usage(usage_id=0, actor="ada")


def age_batches(**age):
    UsageBatchRecord.objects.update(received_at=timezone.now() - timedelta(**age))


def test_a_batch_is_emptied_after_two_weeks_and_known_for_ten():
    document = make_batch(make_row(timezone.now()))
    store_usage_batch(document=document)
    fold_usage_batches()

    age_batches(days=13)
    assert purge_usage_batches() == (0, 0)
    age_batches(days=15)
    assert purge_usage_batches() == (1, 0)
    assert UsageBatchRecord.objects.get().document is None
    assert not store_usage_batch(document=document)
    assert get_metering_health().last_folded_minute is None
    age_batches(days=71)
    assert purge_usage_batches() == (0, 1)
    assert HourlyUsage.objects.get().calls == 1


def test_a_batch_that_comes_again_when_it_is_forgotten_counts_nothing():
    at = timezone.now() - timedelta(days=70)
    document = make_batch(make_row(at))
    store_usage_batch(document=document, is_import=True)
    fold_usage_batches()
    UsageBatchRecord.objects.update(is_import=False)
    age_batches(days=71)
    purge_usage_batches()
    purge_usage_batches()
    assert not UsageBatchRecord.objects.exists()

    assert store_usage_batch(document=document)
    fold_usage_batches()

    assert HourlyUsage.objects.get().calls == 1
    assert QuarantinedUsage.objects.get().reason == "late"


def test_what_is_not_folded_imported_or_in_quarantine_is_not_forgotten():
    store_usage_batch(document=make_batch(make_row(timezone.now())), is_import=True)
    quarantine(timedelta(days=40))
    store_usage_batch(document=make_batch(make_row(timezone.now())))
    age_batches(days=200)

    assert purge_usage_batches() == (2, 0)

    assert UsageBatchRecord.objects.filter(document__isnull=False).get().folded_at is None
    assert UsageBatchRecord.objects.count() == 3
