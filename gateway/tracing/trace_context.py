"""W3C Trace Context: which trace a call belongs to, as `traceparent` and `tracestate` say.

What is malformed is as good as absent (§3.2.2.3, §3.3.1.3).
"""

import re
from dataclasses import dataclass
from typing import Final

TRACEPARENT: Final = b"traceparent"
TRACESTATE: Final = b"tracestate"
SAMPLED: Final = 1

# A later version may have more after the flags, separated by a dash (§3.2.4).
_TRACEPARENT: Final = re.compile(
    rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[\x21-\x7e]*)?"
)
_INVALID_VERSION: Final = b"ff"
_KEY: Final = (
    rb"(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})"
)
_MEMBER: Final = re.compile(
    _KEY + rb"=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)
_MOST_MEMBERS: Final = 32
_LONGEST_STATE: Final = 512

Fields = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class TraceContext:
    """Whose child a span is. Ids are lower-case hexadecimal."""

    trace_id: bytes
    span_id: bytes
    flags: int
    state: bytes = b""

    @property
    def is_sampled(self) -> bool:
        return bool(self.flags & SAMPLED)

    def traceparent(self) -> bytes:
        """Return the field's value, in version 00."""
        return b"00-%b-%b-%02x" % (self.trace_id, self.span_id, self.flags & SAMPLED)


def read_context(fields: Fields) -> TraceContext | None:
    """Return what the caller says, or None where it says nothing usable."""
    parents = [value for name, value in fields if name == TRACEPARENT]
    if len(parents) != 1:
        return None
    match = _TRACEPARENT.fullmatch(parents[0].strip(b" \t"))
    if match is None:
        return None
    version, trace_id, span_id, flags, rest = match.groups()
    if version == _INVALID_VERSION or (version == b"00" and rest is not None):
        return None
    if not trace_id.strip(b"0") or not span_id.strip(b"0"):
        return None
    return TraceContext(trace_id, span_id, int(flags, 16), _read_state(fields))


def without_context(fields: Fields) -> Fields:
    """Return the fields that say nothing about a trace."""
    return [field for field in fields if field[0] not in (TRACEPARENT, TRACESTATE)]


def _read_state(fields: Fields) -> bytes:
    """Return the members of all tracestate fields (§3.3.1.1), or nothing when one is malformed."""
    joined = b",".join(value for name, value in fields if name == TRACESTATE)
    members = [member.strip(b" \t") for member in joined.split(b",")]
    members = [member for member in members if member]
    keys = {member.partition(b"=")[0] for member in members}
    if len(members) > _MOST_MEMBERS or len(keys) != len(members):
        return b""
    if not all(_MEMBER.fullmatch(member) for member in members):
        return b""
    state = b",".join(members)
    return state if len(state) <= _LONGEST_STATE else b""
