from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from wire.calendar_period import PERIODS, calendar_period


@pytest.mark.parametrize(
    ("zone", "period", "now", "start", "end"),
    [
        ("UTC", "minute", "2026-11-22T12:34:56Z", "2026-11-22T12:34Z", "2026-11-22T12:35Z"),
        ("UTC", "hour", "2026-11-22T12:34Z", "2026-11-22T12:00Z", "2026-11-22T13:00Z"),
        ("UTC", "week", "2026-11-22T12:00Z", "2026-11-16T00:00Z", "2026-11-23T00:00Z"),
        ("UTC", "week", "2026-11-23T00:00Z", "2026-11-23T00:00Z", "2026-11-30T00:00Z"),
        ("UTC", "month", "2026-12-31T23:59Z", "2026-12-01T00:00Z", "2027-01-01T00:00Z"),
        ("UTC", "month", "2028-02-29T12:00Z", "2028-02-01T00:00Z", "2028-03-01T00:00Z"),
        ("UTC", "year", "2026-11-22T12:00Z", "2026-01-01T00:00Z", "2027-01-01T00:00Z"),
        ("Asia/Tokyo", "month", "2026-02-28T15:30Z", "2026-02-28T15:00Z", "2026-03-31T15:00Z"),
        # Half an hour off: hours, too, are the plan's.
        ("Asia/Kolkata", "hour", "2026-10-31T19:00Z", "2026-10-31T18:30Z", "2026-10-31T19:30Z"),
        ("Asia/Kolkata", "month", "2026-10-31T19:00Z", "2026-10-31T18:30Z", "2026-11-30T18:30Z"),
        # Clocks go forward on 29 March and back on 25 October: 23 and 25 hours.
        ("Europe/Berlin", "day", "2026-03-29T10:00Z", "2026-03-28T23:00Z", "2026-03-29T22:00Z"),
        ("Europe/Berlin", "day", "2026-10-25T10:00Z", "2026-10-24T22:00Z", "2026-10-25T23:00Z"),
        ("Europe/Berlin", "week", "2026-10-25T10:00Z", "2026-10-18T22:00Z", "2026-10-25T23:00Z"),
        ("Europe/Berlin", "month", "2026-10-31T22:30Z", "2026-09-30T22:00Z", "2026-10-31T23:00Z"),
        ("Europe/Berlin", "year", "2026-07-01T00:00Z", "2025-12-31T23:00Z", "2026-12-31T23:00Z"),
        # The hour between two and three is there twice: these are two hours, not one.
        ("Europe/Berlin", "hour", "2026-10-25T00:30Z", "2026-10-25T00:00Z", "2026-10-25T01:00Z"),
        ("Europe/Berlin", "hour", "2026-10-25T01:30Z", "2026-10-25T01:00Z", "2026-10-25T02:00Z"),
        # Havana's clocks go back from 1:00 to 0:00: the day begins at the first midnight.
        ("America/Havana", "day", "2026-11-01T05:30Z", "2026-11-01T04:00Z", "2026-11-02T05:00Z"),
        # Cairo's go forward at 0:00: the day begins at 1:00.
        ("Africa/Cairo", "day", "2026-04-24T10:00Z", "2026-04-23T22:00Z", "2026-04-24T21:00Z"),
    ],
)
def test_a_period_begins_and_ends_in_its_time_zone(zone, period, now, start, end):
    found = calendar_period(period, zone, datetime.fromisoformat(now).timestamp())

    assert found == (datetime.fromisoformat(start), datetime.fromisoformat(end))


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Havana", "Australia/Lord_Howe"])
@pytest.mark.parametrize("period", [period for period in PERIODS if period != "minute"])
def test_periods_follow_each_other_without_gap_through_a_year(zone, period):
    start, end = calendar_period(period, zone, datetime(2026, 1, 1, tzinfo=UTC).timestamp())
    last = datetime(2026, 12, 31, tzinfo=ZoneInfo(zone))

    while end < last:
        before, (start, end) = end, calendar_period(period, zone, end.timestamp())
        assert start <= before < end
        assert before - start < timedelta(hours=1)  # Lord Howe's clocks move by half an hour
