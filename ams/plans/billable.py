"""Which calls a plan bills: by the status of the answer, and by who caused it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from wire.usage_batch import Cause

DEFAULT_STATUSES: Final = ("1xx", "2xx", "3xx", "4xx")
DEFAULT_CAUSES: Final = (Cause.UPSTREAM.value,)
_CLASS: Final = re.compile(r"([1-5])xx")
_RANGE: Final = re.compile(r"([1-5][0-9]{2})(?:-([1-5][0-9]{2}))?")


def read_statuses(text: str) -> range:
    """Return the statuses that `4xx`, `404` or `400-403` stands for. Raises ValueError."""
    if match := _CLASS.fullmatch(text):
        first = int(match[1]) * 100
        return range(first, first + 100)
    if match := _RANGE.fullmatch(text):
        first, last = int(match[1]), int(match[2] or match[1])
        if first <= last:
            return range(first, last + 1)
    raise ValueError(f"{text!r} is not written as 4xx, 404 or 400-403.")


def merge_statuses(texts: Iterable[str]) -> tuple[range, ...]:
    """Return the statuses that the texts stand for, in ranges that do not meet."""
    merged: list[range] = []
    for found in sorted(map(read_statuses, texts), key=lambda one: one.start):
        if merged and found.start <= merged[-1].stop:
            merged[-1] = range(merged[-1].start, max(merged[-1].stop, found.stop))
        else:
            merged.append(found)
    return tuple(merged)


@dataclass(frozen=True, slots=True)
class BillableRule:
    """A call is billed when both its status and its cause are named."""

    statuses: frozenset[int]
    causes: frozenset[str]

    @classmethod
    def read(cls, statuses: Iterable[str], causes: Iterable[str]) -> Self:
        """Return the rule of a plan. Raises ValueError; what was saved is readable."""
        found = frozenset(status for text in statuses for status in read_statuses(text))
        return cls(found, frozenset(causes))

    def is_billable(self, status: int, cause: str) -> bool:
        return status in self.statuses and cause in self.causes
