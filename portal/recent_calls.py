"""The recent calls of an application, filtered as the page asks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ams import api as ams_api
from ams.data import RecentCallData, SubscriptionData
from ams.errors import RecentCallsUnavailable
from portal.models import Developer
from portal.subscriber import subscriber_of

_MOST_ROWS: Final = 50
OUTCOMES: Final = {
    "": "All outcomes",
    "2": "Successful (2xx)",
    "3": "Redirected (3xx)",
    "4": "Client errors (4xx)",
    "5": "Server errors (5xx)",
}
_TONES: Final = {"2": "good", "3": "quiet", "4": "near", "5": "full"}


@dataclass(frozen=True, slots=True)
class RecentCallRow:
    """One row. `reason` is the gateway's, in words; empty where the API answered."""

    call: RecentCallData
    tone: str
    reason: str


@dataclass(frozen=True, slots=True)
class RecentCallsView:
    """The rows that match, and what could be chosen instead."""

    rows: tuple[RecentCallRow, ...]
    outcome: str
    operation: str
    operations: tuple[str, ...]  # "orders: list_orders", of every call that is kept
    is_filtered: bool
    is_available: bool = True

    @property
    def outcomes(self) -> Iterable[tuple[str, str]]:
        return OUTCOMES.items()


def show_recent_calls(
    *,
    developer: Developer,
    subscriptions: Sequence[SubscriptionData],
    chosen: Mapping[str, str],
) -> RecentCallsView:
    """Return what to show; a choice that does not exist counts as none. A query for each."""
    outcome = chosen.get("outcome", "") if chosen.get("outcome", "") in OUTCOMES else ""
    try:
        calls = _read(developer, subscriptions)
    except RecentCallsUnavailable:
        return RecentCallsView((), outcome, "", (), is_filtered=False, is_available=False)
    operations = tuple(sorted({_operation(call) for call in calls}))
    operation = chosen.get("operation", "") if chosen.get("operation", "") in operations else ""
    rows = [
        RecentCallRow(call, _TONES.get(str(call.status)[:1], "quiet"), _words(call.problem))
        for call in calls
        if str(call.status).startswith(outcome) and operation in ("", _operation(call))
    ]
    return RecentCallsView(
        rows=tuple(rows[:_MOST_ROWS]),
        outcome=outcome,
        operation=operation,
        operations=operations,
        is_filtered=bool(outcome or operation),
    )


def _read(developer: Developer, subscriptions: Sequence[SubscriptionData]) -> list[RecentCallData]:
    subscriber = subscriber_of(developer)
    found = [
        call
        for subscription in subscriptions
        for call in ams_api.list_recent_calls(
            subscriber=subscriber, subscription_id=subscription.id
        )
    ]
    return sorted(found, key=lambda call: call.at, reverse=True)


def _operation(call: RecentCallData) -> str:
    return f"{call.api}: {call.operation}"


def _words(problem: str) -> str:
    return problem.replace("-", " ").capitalize()
