"""Checks of single fields that collect every problem, so that a person mends them in one go."""

import difflib
import re
import ssl
from collections.abc import Collection, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Final

from ams.errors import FieldProblem, InvalidFields

_SLUG: Final = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")
_SLUG_LENGTH: Final = 50
_SURROGATE: Final = re.compile("[\ud800-\udfff]")  # JSON can say \\ud800, UTF-8 cannot

Path = tuple[str | int, ...]


@dataclass(slots=True)
class FieldChecks:
    """What was found so far. Each check adds a problem or does nothing."""

    problems: list[FieldProblem] = field(default_factory=list)

    def add(self, message: str, *path: str | int) -> None:
        self.problems.append(FieldProblem(path, message))

    def finish(self) -> None:
        """Raise InvalidFields with everything that was found, if anything was."""
        if self.problems:
            raise InvalidFields(self.problems)

    def text(self, value: str, *path: str | int, longest: int = 0, required: bool = False) -> None:
        """Refuse also what PostgreSQL cannot store. `longest` 0: no bound."""
        if required and not value.strip():
            self.add("a value is needed.", *path)
        elif longest and len(value) > longest:
            self.add(f"at most {longest} characters; these are {len(value)}.", *path)
        elif "\x00" in value:
            self.add("the NUL character is not allowed.", *path)
        elif _SURROGATE.search(value):
            self.add("half of a surrogate pair is not a character.", *path)

    def slug(self, value: str, *path: str | int) -> None:
        if len(value) > _SLUG_LENGTH or not _SLUG.fullmatch(value):
            self.add(
                f"{value[:_SLUG_LENGTH]!r} is not a slug: lower-case letters, digits, single - or"
                f" _ between them, at most {_SLUG_LENGTH} characters.",
                *path,
            )

    def certificates(self, pem: str, *path: str | int) -> None:
        """Refuse what cannot be loaded as trusted certificates."""
        if not pem.isascii():
            self.add("PEM is plain ASCII.", *path)
            return
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
        except (ssl.SSLError, ValueError):
            self.add("no usable PEM certificate was found in it.", *path)

    def number(self, value: float, *path: str | int, least: float, most: float) -> None:
        """Written so that NaN is refused."""
        if not least <= value <= most:
            self.add(f"a number from {least:g} to {most:g} is needed, not {value:g}.", *path)

    def choice(self, value: str, choices: Collection[str], *path: str | int) -> None:
        if value not in choices:
            self.add(
                f"{value!r} is not one of {', '.join(choices)}.{suggest(value, choices)}", *path
            )

    def unique(self, values: Iterable[tuple[Hashable, Path]], what: str) -> None:
        """Add a problem at each path whose value was seen before."""
        seen: dict[Hashable, Path] = {}
        for value, path in values:
            if value in seen:
                first = FieldProblem(seen[value], "").name
                self.add(f"the same {what} as {first}.", *path)
            else:
                seen[value] = path


def suggest(word: str, known: Iterable[str]) -> str:
    """Return ` Did you mean ...?` when a known word is near, else nothing."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
