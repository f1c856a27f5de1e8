import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ams.data import HourData, QuotaData, SubscriptionData, UsageData
from portal.usage_chart import HEIGHT, draw_usage
from portal.usage_view import show_usage
from tests.unit.portal.test_plan_words import plan

START = datetime(2026, 3, 1, tzinfo=UTC)
SUBSCRIPTION = SubscriptionData(
    id=uuid.uuid4(),
    client_id="client",
    application_name="Order sync",
    plan=plan(),
    status="active",
    reason="",
    created_at=START,
    activated_at=START,
    ended_at=None,
)


def usage(*counts, quota=None):
    hours = tuple(
        HourData(START + timedelta(hours=index), sum(by_class.values()), by_class)
        for index, by_class in enumerate(counts)
    )
    totals = {}
    for by_class in counts:
        for status_class, calls in by_class.items():
            totals[status_class] = totals.get(status_class, 0) + calls
    return UsageData(hours, totals, sum(totals.values()), (quota,) if quota else ())


def quota(used, limit=100):
    return QuotaData("quota", limit, used, "month", START, "block")


def test_several_subscriptions_are_added_up_hour_by_hour():
    view = show_usage(
        [(SUBSCRIPTION, usage({2: 3}, {5: 1})), (SUBSCRIPTION, usage({2: 1, 4: 2}, {}))]
    )

    assert view.calls == 7
    assert [share.calls for share in view.shares] == [4, 0, 2, 1]
    assert [(row.calls, row.errors) for row in view.rows] == [(1, 1), (6, 2)]


def test_nothing_used_is_drawn_as_an_empty_chart():
    view = show_usage([(SUBSCRIPTION, usage({}, {}))])

    assert view.calls == 0
    assert view.rows == ()
    assert [bar.segments for bar in view.chart.bars] == [(), ()]


def test_no_subscription_at_all_is_an_empty_view():
    assert show_usage([]).calls == 0


def test_quota_meter_warns_before_it_is_full():
    def meter(used, limit=100):
        return show_usage([(SUBSCRIPTION, usage({}, quota=quota(used, limit)))]).meters[0]

    assert [meter(used).tone for used in (79, 80, 99, 100, 250)] == [
        "good",
        "near",
        "near",
        "full",
        "full",
    ]
    assert meter(250).percent == 100
    assert meter(0, limit=0).tone == "full"


def test_each_quota_has_a_meter():
    several = replace(usage({}), quotas=(quota(1), replace(quota(50), period="day")))

    view = show_usage([(SUBSCRIPTION, several)])

    assert [(row.quota.period, row.percent) for row in view.meters] == [("month", 1), ("day", 50)]
    assert not view.are_several


def test_version_changes_with_what_is_shown_and_only_then():
    one = usage({2: 3}, quota=quota(3))

    assert show_usage([(SUBSCRIPTION, one)]).version == show_usage([(SUBSCRIPTION, one)]).version
    changes = [
        (SUBSCRIPTION, usage({2: 4}, quota=quota(3))),
        (SUBSCRIPTION, usage({2: 2, 5: 1}, quota=quota(3))),
        (SUBSCRIPTION, usage({2: 3}, quota=quota(4))),
        (replace(SUBSCRIPTION, status="suspended"), one),
    ]
    versions = {show_usage([change]).version for change in changes}
    assert len(versions | {show_usage([(SUBSCRIPTION, one)]).version}) == 5


@given(st.lists(st.dictionaries(st.sampled_from([2, 3, 4, 5]), st.integers(0, 10**9)), max_size=48))
def test_bars_stay_inside_the_plot(counts):
    chart = draw_usage(usage(*counts).hours)

    for bar in chart.bars:
        assert bar.x + bar.width <= chart.width + 0.01
        for segment in bar.segments:
            assert segment.y >= chart.top - 4.6  # three tiny classes may each be lifted to 1.5
            assert segment.y + segment.height <= HEIGHT


def test_one_failed_call_among_thousands_is_visible():
    chart = draw_usage(usage({2: 100_000, 5: 1}).hours)

    assert chart.bars[0].segments[-1].status_class == 5
    assert chart.bars[0].segments[-1].height >= 1


def test_scale_has_whole_calls_on_every_line():
    for calls in (0, 1, 5, 9, 21, 99, 1_000_001):
        grid = draw_usage(usage({2: calls}).hours).grid
        steps = {high.calls - low.calls for low, high in pairwise(grid)}
        assert len(steps) == 1
        assert grid[-1].calls >= calls
