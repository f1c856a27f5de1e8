"""Believable usage of a month that is over, for demonstrations and screenshots."""

import hashlib
import random
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from django.utils import timezone

from ams.metering.services.store_usage_batch import store_usage_batch
from wire.usage_batch import Cause, UsageBatch, UsageRow

_NODE: Final = "import"
# Relative load of the 24 hours (UTC): quiet nights, two humps of the working day.
_HOURS: Final = (2, 1, 1, 1, 1, 2, 4, 8, 14, 18, 19, 17, 14, 16, 19, 18, 15, 11, 8, 7, 6, 5, 4, 3)
_WEEKEND_SHARE: Final = 0.35
_DAILY_VARIATION: Final = 0.15
_STATUSES: Final = {200: 960, 404: 25, 429: 8, 500: 5, 503: 2}
_CAUSES: Final = {429: Cause.CLIENT, 503: Cause.GATEWAY}  # the others are the API's own
_REQUEST_BYTES: Final = 320
_RESPONSE_BYTES: Final = 1_150
_LATENCY_MS: Final = 24


@dataclass(frozen=True, slots=True)
class _Source:
    subscription_id: str
    client_id: str
    plan_id: str
    api_id: str
    operations: tuple[str, ...]


def store_past_usage(
    *,
    subscription_id: str,
    client_id: str,
    plan_id: str,
    api_id: str,
    operations: Sequence[str],
    month_start: date,
    calls_per_day: int,
    seed: int,
) -> int:
    """Store a batch for each day of the month; how many are new. The same call stores nothing.

    The pattern (weekdays, hours, a few errors) depends on the arguments only. Days that are not
    over (UTC) are left out, so that a later call can add them. The caller folds
    (`fold_usage_batches`) and closes the period.
    """
    source = _Source(subscription_id, client_id, plan_id, api_id, tuple(operations))
    next_month = (month_start.replace(day=28) + timedelta(days=4)).replace(day=1)
    today = timezone.now().astimezone(UTC).date()
    days = max(0, (min(next_month, today) - month_start).days)
    batches = (
        _build_day(source, month_start + timedelta(days=offset), calls_per_day, seed)
        for offset in range(days)
    )
    return sum(store_usage_batch(document=batch.as_document(), is_import=True) for batch in batches)


def _build_day(source: _Source, day: date, calls_per_day: int, seed: int) -> UsageBatch:
    key = f"{source.subscription_id}|{source.api_id}|{day.isoformat()}|{seed}"
    # A pattern, not a secret; the same key gives the same day on every machine.
    chance = random.Random(key)  # noqa: S311
    load = calls_per_day * (1 + chance.uniform(-_DAILY_VARIATION, _DAILY_VARIATION))
    if day.weekday() >= 5:
        load *= _WEEKEND_SHARE
    rows: list[UsageRow] = []
    for hour, weight in enumerate(_HOURS):
        hour_at = datetime(day.year, day.month, day.day, hour, tzinfo=UTC)
        rows += _build_hour(source, hour_at, round(load * weight / sum(_HOURS)), chance)
    return UsageBatch(_batch_id(day, key), _NODE, tuple(rows))


def _build_hour(
    source: _Source, hour_at: datetime, calls: int, chance: random.Random
) -> list[UsageRow]:
    outcomes = zip(
        chance.choices(source.operations, k=calls),
        chance.choices(list(_STATUSES), weights=list(_STATUSES.values()), k=calls),
        strict=True,
    )
    return [
        UsageRow(
            minute=int(hour_at.timestamp()),
            client_id=source.client_id,
            subscription_id=source.subscription_id,
            plan_id=source.plan_id,
            api_id=source.api_id,
            operation_id=operation,
            status=status,
            cause=_CAUSES.get(status, Cause.UPSTREAM),
            calls=count,
            request_bytes=count * _REQUEST_BYTES,
            response_bytes=count * _RESPONSE_BYTES,
            latency_ms=count * _LATENCY_MS,
        )
        for (operation, status), count in sorted(Counter(outcomes).items())
    ]


def _batch_id(day: date, key: str) -> uuid.UUID:
    """Return a UUIDv7 (RFC 9562 §5.7) of that day whose other bits are the digest of `key`."""
    milliseconds = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
    bits = bytearray(milliseconds.to_bytes(6) + hashlib.sha256(key.encode()).digest()[:10])
    bits[6] = 0x70 | (bits[6] & 0x0F)
    bits[8] = 0x80 | (bits[8] & 0x3F)
    return uuid.UUID(bytes=bytes(bits))
