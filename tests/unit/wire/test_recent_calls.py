import json

import pytest

from wire.recent_calls import (
    MOST_CALLS,
    MalformedRecentCalls,
    RecentCall,
    as_document,
    parse_recent_calls,
)

CALL = RecentCall("sub-1", 1764345600.25, "orders", "get", "GET", 429, 3, "abc", "/problems/x")


def row(**changes):
    return {**as_document([CALL])["calls"][0], **changes}


def test_what_is_written_is_read():
    assert parse_recent_calls(json.loads(json.dumps(as_document([CALL])))) == (CALL,)


@pytest.mark.parametrize(
    ("document", "name"),
    [
        ([], "calls"),
        ({"calls": {}}, "calls"),
        ({"calls": ["x"]}, "calls"),
        ({"calls": [row()] * (MOST_CALLS + 1)}, "calls"),
        ({"calls": [row(subscription_id="a b")]}, "subscription_id"),
        ({"calls": [row(subscription_id="")]}, "subscription_id"),
        ({"calls": [row(at=float("nan"))]}, "at"),
        ({"calls": [row(at="now")]}, "at"),
        ({"calls": [row(status=600)]}, "status"),
        ({"calls": [row(status=True)]}, "status"),
        ({"calls": [row(latency_ms=-1)]}, "latency_ms"),
        ({"calls": [row(operation="x" * 129)]}, "operation"),
        ({"calls": [row(request_id="a\nb")]}, "request_id"),
        ({"calls": [row(problem=None)]}, "problem"),
    ],
)
def test_what_is_malformed_is_named(document, name):
    with pytest.raises(MalformedRecentCalls, match=name):
        parse_recent_calls(document)


def test_members_of_a_newer_gateway_are_left_alone():
    assert parse_recent_calls({"calls": [row(colour="red")]}) == (CALL,)
