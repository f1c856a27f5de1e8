"""Calendar periods in the time zone of the plan."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from gateway.dataplane.quota import period_of
from wire.gateway_snapshot import Quota


@pytest.mark.parametrize(
    ("period", "zone", "now", "start", "end"),
    [
        ("month", "UTC", "2026-02-10T12:00", "2026-02-01T00:00", "2026-03-01T00:00"),
        ("month", "UTC", "2026-12-31T23:59", "2026-12-01T00:00", "2027-01-01T00:00"),
        ("month", "Asia/Tokyo", "2026-03-01T00:30", "2026-03-01T00:00", "2026-04-01T00:00"),
        ("day", "Europe/Berlin", "2026-03-29T12:00", "2026-03-29T00:00", "2026-03-30T00:00"),
        ("week", "UTC", "2026-11-22T12:00", "2026-11-16T00:00", "2026-11-23T00:00"),
        ("year", "UTC", "2026-11-22T12:00", "2026-01-01T00:00", "2027-01-01T00:00"),
        ("hour", "UTC", "2026-11-22T12:34", "2026-11-22T12:00", "2026-11-22T13:00"),
    ],
)
def test_a_period_begins_and_ends_in_the_plans_time_zone(period, zone, now, start, end):
    tz = ZoneInfo(zone)
    moment = datetime.fromisoformat(now).replace(tzinfo=tz).timestamp()

    found = period_of(Quota(1, period, zone), moment)

    assert [edge.timestamp() for edge in found] == [
        datetime.fromisoformat(edge).replace(tzinfo=tz).timestamp() for edge in (start, end)
    ]


def test_a_day_with_a_clock_change_has_its_real_length():
    noon = datetime(2026, 3, 29, 12, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()

    start, end = period_of(Quota(1, "day", "Europe/Berlin"), noon)

    assert end.timestamp() - start.timestamp() == 23 * 3600
