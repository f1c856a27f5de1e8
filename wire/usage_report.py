"""What a gateway worker tells the control API of the usage that it still holds.

Batches say what came; only the worker knows what has not. `POST /control/v1/usage-reports`.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final


class MalformedReport(ValueError):
    """The document is not a usage report; the message names the member."""


@dataclass(frozen=True, slots=True)
class UsageReport:
    """`node` is the worker, as in its batches.

    All that it counted before `shipped_until` (Unix time of its own clock) is stored by the control
    API. `spool_bytes` is the size of the directory that it shares with the workers of its machine.
    `is_leaving`: the worker ends, and nothing of it is left.
    """

    node: str
    shipped_until: int
    spool_bytes: int
    calls_lost: int
    segments_discarded: int
    is_leaving: bool = False

    def as_document(self) -> dict[str, object]:
        """Return the JSON members."""
        return asdict(self)


_NUMBERS: Final = {
    "shipped_until": 2**33,
    "spool_bytes": 2**53,
    "calls_lost": 2**53,
    "segments_discarded": 2**53,
}
_NODE_LENGTH: Final = 128


def parse_report(document: object) -> UsageReport:
    """Return the report in `document`. Raises MalformedReport, naming the member."""
    if not isinstance(document, Mapping):
        raise MalformedReport("A usage report is a JSON object.")
    node = document.get("node")
    if not isinstance(node, str) or not 0 < len(node) <= _NODE_LENGTH or not node.isprintable():
        raise MalformedReport(f"node: 1 to {_NODE_LENGTH} printable characters are expected.")
    numbers = {name: _read_number(document, name) for name in _NUMBERS}
    is_leaving = document.get("is_leaving", False)
    if not isinstance(is_leaving, bool):
        raise MalformedReport("is_leaving: true or false is expected.")
    return UsageReport(node=node, is_leaving=is_leaving, **numbers)


def _read_number(document: Mapping[str, object], name: str) -> int:
    value = document.get(name)
    if type(value) is not int or not 0 <= value <= _NUMBERS[name]:
        raise MalformedReport(f"{name}: an integer from 0 to {_NUMBERS[name]} is expected.")
    return value
