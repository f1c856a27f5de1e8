"""What applying a document changes, for people to read."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ams.spec_fields import write_spec

_ABSENT: Final = "(not set)"
_LONGEST_VALUE: Final = 100


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is created (`before` is None), changed, or taken away (`after` is None)."""

    section: str
    key: str
    before: Any
    after: Any

    @property
    def verb(self) -> str:
        if self.before is None:
            return "create"
        return "delete" if self.after is None else "change"

    def lines(self) -> Iterator[str]:
        """Yield a headline, then a line for each field that differs."""
        sign = {"create": "+", "delete": "-", "change": "~"}[self.verb]
        yield f"{sign} {self.verb} {self.section}/{self.key}"
        before = dict(_flat(write_spec(self.before))) if self.before is not None else {}
        after = dict(_flat(write_spec(self.after))) if self.after is not None else {}
        if self.after is None:
            return
        for name in dict.fromkeys((*before, *after)):
            old, new = before.get(name, _ABSENT), after.get(name, _ABSENT)
            if self.before is None:
                yield f"    {name}: {new}"
            elif old != new:
                yield f"    {name}: {old} -> {new}"


def describe_changes(changes: tuple[Change, ...]) -> str:
    """Return the changes as text, with a count at the end."""
    if not changes:
        return "No changes."
    verbs = [change.verb for change in changes]
    counts = ", ".join(f"{verbs.count(verb)} to {verb}" for verb in dict.fromkeys(verbs))
    return "\n".join([*(line for change in changes for line in change.lines()), f"{counts}."])


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if name == "openapi":
        yield name, f"a document with {len(value.get('paths', {}))} paths"
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(item, f"{name}.{key}".removeprefix("."))
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from _flat(item, f"{name}[{at}]")
    else:
        text = repr(value) if isinstance(value, str) else str(value)
        yield name, text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."
