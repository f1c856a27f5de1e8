"""Calendar periods in a time zone: one rule for the gateway's quotas and the portal's bars.

Midnights and month ends are those of the zone's wall clock, so a day has 23 or 25 hours where
clocks change. Hours and minutes are real ones: none is there twice, none is left out.
"""

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

PERIODS: Final = ("minute", "hour", "day", "week", "month", "year")
# From the shortest; of a month and a year the mean.
PERIOD_SECONDS: Final = {
    "minute": 60,
    "hour": 3_600,
    "day": 86_400,
    "week": 604_800,
    "month": 2_629_746,
    "year": 31_556_952,
}


def calendar_period(period: str, timezone: str, unix_now: float) -> tuple[datetime, datetime]:
    """Return when the `period` around `unix_now` began and its exclusive end, both in UTC.

    Weeks begin on Monday (ISO 8601). Raises KeyError for an unknown period, and what ZoneInfo
    raises for an unknown zone.
    """
    zone = ZoneInfo(timezone)
    now = datetime.fromtimestamp(unix_now, tz=zone)
    if period in {"minute", "hour"}:
        return _of_the_clock(now, PERIOD_SECONDS[period])
    # The first of two midnights where clocks go back over one; where they jump over it, the moment
    # they jump (PEP 495: fold=0).
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    first, last = _DAYS[period](midnight)
    return first.astimezone(UTC), last.astimezone(UTC)


def _of_the_clock(now: datetime, length: int) -> tuple[datetime, datetime]:
    """Return the hour or minute as the zone's clock shows it: Kolkata's hours begin at :30 UTC."""
    offset = now.utcoffset() or timedelta()
    local = int((now.astimezone(UTC) - _EPOCH + offset).total_seconds())
    start = _EPOCH + timedelta(seconds=local - local % length) - offset
    return start, start + timedelta(seconds=length)


def _week(midnight: datetime) -> tuple[datetime, datetime]:
    monday = midnight - timedelta(days=midnight.weekday())
    return monday, monday + timedelta(days=7)


def _month(midnight: datetime) -> tuple[datetime, datetime]:
    first = midnight.replace(day=1)
    # The 28th and 4 days is always in the next month.
    return first, (first.replace(day=28) + timedelta(days=4)).replace(day=1)


def _year(midnight: datetime) -> tuple[datetime, datetime]:
    first = midnight.replace(month=1, day=1)
    return first, first.replace(year=first.year + 1)


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAYS: Final = {
    "day": lambda midnight: (midnight, midnight + timedelta(days=1)),
    "week": _week,
    "month": _month,
    "year": _year,
}
