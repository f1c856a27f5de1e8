"""A sample of recent calls, as gateways send it and developers see it.

It names operations, never paths, queries, headers or bodies: nothing in it can be a secret.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

MOST_CALLS: Final = 1000
_LONGEST_TEXT: Final = 128
_SUBSCRIPTION: Final = re.compile(r"[0-9A-Za-z_-]{1,64}")


class MalformedRecentCalls(ValueError):
    """The document is not a usable sample; the message names the member."""


@dataclass(frozen=True, slots=True)
class RecentCall:
    """One call. `problem` is the type of the gateway's own refusal, empty for other answers."""

    subscription_id: str
    at: float  # Unix time of its end, seconds
    api: str  # slug
    operation: str
    method: str
    status: int
    latency_ms: int
    request_id: str
    problem: str = ""


def as_document(calls: Iterable[RecentCall]) -> dict[str, Any]:
    """Return the JSON document."""
    return {"calls": [asdict(call) for call in calls]}


def parse_recent_calls(document: object) -> tuple[RecentCall, ...]:
    """Return the calls in `document`. Raises MalformedRecentCalls, naming the member."""
    rows = document.get("calls") if isinstance(document, Mapping) else None
    if not isinstance(rows, list) or len(rows) > MOST_CALLS:
        raise MalformedRecentCalls(f"calls: a list of {MOST_CALLS} at most is expected.")
    return tuple(parse_recent_call(row) for row in rows)


def parse_recent_call(row: object) -> RecentCall:
    """Return one call. Raises MalformedRecentCalls."""
    if not isinstance(row, Mapping):
        raise MalformedRecentCalls("calls: objects are expected.")
    subscription_id = _text(row, "subscription_id")
    if not _SUBSCRIPTION.fullmatch(subscription_id):
        raise MalformedRecentCalls("calls: subscription_id is not one.")
    return RecentCall(
        subscription_id=subscription_id,
        at=_number(row, "at", 253_402_300_799),  # the last second of the year 9999
        api=_text(row, "api"),
        operation=_text(row, "operation"),
        method=_text(row, "method"),
        status=int(_number(row, "status", 599)),
        latency_ms=int(_number(row, "latency_ms", 10**9)),
        request_id=_text(row, "request_id"),
        problem=_text(row, "problem"),
    )


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name, "")
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT or not value.isprintable():
        raise MalformedRecentCalls(f"calls: {name} is no short text.")
    return value


def _number(row: Mapping[str, Any], name: str, most: float) -> float:
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise MalformedRecentCalls(f"calls: {name} is no number from 0 to {most}.")
    return value
