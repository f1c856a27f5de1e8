import logging
from datetime import UTC, datetime

import pytest

from ams.metering.models import UsageBatchRecord
from ams.metering.services.fold_usage_batches import fold_usage_batches
from ams.metering.services.store_usage_batch import store_usage_batch
from tests.factories.usage import make_batch, make_row
from wire.usage_batch import MalformedBatch
from wire.uuid7 import uuid7

pytestmark = pytest.mark.django_db

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)


def test_the_second_arrival_of_a_batch_is_not_new():
    document = make_batch(make_row(AT))

    assert [store_usage_batch(document=document) for _ in range(2)] == [True, False]
    assert UsageBatchRecord.objects.count() == 1


def test_unknown_members_are_not_stored():
    document = make_batch(make_row(AT, color="red")) | {"extra": 1}

    store_usage_batch(document=document)

    stored = UsageBatchRecord.objects.get().document
    assert set(stored) == {"id", "node", "rows"}
    assert "color" not in stored["rows"][0]


def test_another_content_under_a_known_id_is_reported(caplog):
    batch_id = uuid7()
    store_usage_batch(document=make_batch(make_row(AT), batch_id=batch_id))

    with caplog.at_level(logging.ERROR):
        store_usage_batch(document=make_batch(make_row(AT, calls=2), batch_id=batch_id))

    assert str(batch_id) in caplog.text
    assert UsageBatchRecord.objects.get().document["rows"][0]["calls"] == 1


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("calls", 10**9 + 1),
        ("latency_ms", 10**12 + 1),
        ("minute", 2**40),
        ("status", 1000),
        ("operation_id", "x" * 129),
        ("client_id", "a\0b"),
        ("api_id", "\ud800"),
        ("cause", "nobody"),
        ("cause", ["upstream"]),
    ],
)
def test_what_could_never_be_folded_is_refused_by_name(member, value):
    document = make_batch(make_row(AT), make_row(AT) | {member: value})

    with pytest.raises(MalformedBatch, match=rf"rows\[1\]\.{member}"):
        store_usage_batch(document=document)

    assert not UsageBatchRecord.objects.exists()


def test_the_largest_accepted_row_folds():
    largest = make_row(
        AT,
        subscription_id="s" * 64,
        client_id="c" * 255,
        operation_id="é" * 128,
        status=999,
        calls=10**9,
        minute=2**33,
    )

    store_usage_batch(document=make_batch(largest, make_row(AT, calls=10**9)), is_import=True)

    assert fold_usage_batches() == 1
