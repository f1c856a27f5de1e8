"""How the statuses of a plan's rule are read."""

import pytest

from ams.plans.billable import merge_statuses


@pytest.mark.parametrize(
    ("texts", "merged"),
    [
        ((), ()),
        (("2xx", "404"), (range(200, 300), range(404, 405))),
        (("404", "4xx", "1xx", "3xx", "2xx"), (range(100, 500),)),
        (("402", "400-401", "404"), (range(400, 403), range(404, 405))),
        (("200-299", "250"), (range(200, 300),)),
    ],
)
def test_statuses_that_meet_are_one_range(texts, merged):
    assert merge_statuses(texts) == merged
