"""A sealed batch of usage counters on its way from a gateway worker to the control API.

A batch is sent at least once and stored at most once: its UUIDv7 `id` is fixed when the
journal segment is created, and the control API inserts it with ON CONFLICT DO NOTHING.
"""

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final


class Cause(StrEnum):
    """Who made a call end as it did; plans bill by it."""

    UPSTREAM = "upstream"  # the API answered, whatever it said
    CLIENT = "client"  # refused for what was sent or is allowed, or the client left unanswered
    GATEWAY = "gateway"  # no whole answer could be had of the API, or the gateway failed


class MalformedBatch(ValueError):
    """The document is not a usage batch; the message names the member."""


@dataclass(frozen=True, slots=True)
class UsageRow:
    """Calls that share one key, counted. `minute` is Unix time in seconds, floored to 60."""

    minute: int
    client_id: str
    subscription_id: str
    plan_id: str
    api_id: str
    operation_id: str
    status: int
    cause: str  # a Cause
    calls: int
    request_bytes: int
    response_bytes: int
    latency_ms: int


@dataclass(frozen=True, slots=True)
class UsageBatch:
    """Rows sealed together by one gateway worker (`node` names it)."""

    id: uuid.UUID
    node: str
    rows: tuple[UsageRow, ...]

    def as_document(self) -> dict[str, object]:
        """Return the JSON members."""
        return {"id": str(self.id), "node": self.node, "rows": [asdict(row) for row in self.rows]}


_TEXT_MEMBERS = ("client_id", "subscription_id", "plan_id", "api_id", "operation_id")
_CAUSES: Final = frozenset(Cause)
_NUMBER_MEMBERS = ("minute", "status", "calls", "request_bytes", "response_bytes", "latency_ms")


def guess_cause(status: int) -> Cause:
    """Return the cause of a call whose gateway did not tell one: an earlier release.

    Such a call is not billed where it was not billed then: below 400 only.
    """
    if 100 <= status < 400:
        return Cause.UPSTREAM
    return Cause.GATEWAY if status >= 500 else Cause.CLIENT


def parse_batch(document: object) -> UsageBatch:
    """Return the batch in `document`. Raises MalformedBatch, naming the member."""
    if not isinstance(document, Mapping):
        raise MalformedBatch("A usage batch is a JSON object.")
    try:
        batch_id = uuid.UUID(str(document["id"]))
        node = str(document["node"])
        rows = document["rows"]
    except (KeyError, ValueError) as error:
        raise MalformedBatch(f"A usage batch needs id (a UUID), node and rows: {error}") from error
    if not isinstance(rows, list):
        raise MalformedBatch("rows: a list is expected.")
    return UsageBatch(batch_id, node, tuple(_parse_row(row, at) for at, row in enumerate(rows)))


def _parse_row(row: object, at: int) -> UsageRow:
    if not isinstance(row, Mapping):
        raise MalformedBatch(f"rows[{at}]: an object is expected.")
    members: dict[str, Any] = {}
    for name in _TEXT_MEMBERS:
        value = row.get(name)
        if not isinstance(value, str):
            raise MalformedBatch(f"rows[{at}].{name}: a string is expected.")
        members[name] = value
    for name in _NUMBER_MEMBERS:
        value = row.get(name)
        if type(value) is not int or value < 0:
            raise MalformedBatch(f"rows[{at}].{name}: a non-negative integer is expected.")
        members[name] = value
    return UsageRow(**members, cause=_parse_cause(row, members["status"], at))


def _parse_cause(row: Mapping[str, object], status: int, at: int) -> Cause:
    cause = row.get("cause")
    if cause is None:
        return guess_cause(status)
    if not isinstance(cause, str) or cause not in _CAUSES:
        raise MalformedBatch(f"rows[{at}].cause: one of {', '.join(Cause)} is expected.")
    return Cause(cause)
