"""YAML and JSON read into plain values, each with its place in the text.

Plain scalars follow the core schema of YAML 1.2: `no` and `1:30` are text, not a boolean and a
number. Keys are text. Tags, merge keys and doubled keys are refused.
"""

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from ams.errors import InvalidDocument

Path = tuple[str | int, ...]

MOST_CHARACTERS: Final = 4_000_000
_MOST_NODES: Final = 200_000  # counted after aliases are followed, or a few lines could fill memory
_DEEPEST: Final = 100
_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,30}")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_CORE_WORDS: Final[dict[str, object]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
# A plain scalar has one of these by YAML 1.1's guess, which is not followed.
_TAGS: Final = frozenset(
    f"tag:yaml.org,2002:{name}"
    for name in (
        "map", "seq", "str", "int", "float", "bool", "null", "timestamp", "merge", "value",
    )
)  # fmt: skip
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(slots=True)
class MarkedDocument:
    """The values of a text and where they stand in it."""

    source: str
    data: Any = None
    marks: dict[Path, tuple[int, int]] = field(default_factory=dict)

    def where(self, path: Path) -> str:
        """Return `source:line:column` of `path`, or of what is nearest above it."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.marks:
                line, column = self.marks[path[:length]]
                return f"{self.source}:{line}:{column}"
        return self.source


def parse_marked(
    text: str, *, source: str, substitute: Callable[[str], str] = str
) -> MarkedDocument:
    """Return the document in `text`; `substitute` is applied to each scalar value.

    Raises InvalidDocument with `source:line:column`.
    """
    if len(text) > MOST_CHARACTERS:
        raise InvalidDocument(f"longer than {MOST_CHARACTERS:,} characters.", where=source)
    document = MarkedDocument(source)
    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        is_json = _read_json(text, document)
        if is_json:
            return document
    with _yaml_errors(source, text):
        _check_depth(text, source)
        node = yaml.compose(text, Loader=_LOADER)
    _Reader(document, substitute).read_root(node)
    return document


def _read_json(text: str, document: MarkedDocument) -> bool:
    """Read JSON, which YAML reads too but for its tabs. Substitution and marks need YAML."""
    if "${" in text or "\t" not in text:
        return False
    try:
        document.data = json.loads(text.lstrip("\ufeff"))
    except (ValueError, RecursionError):
        return False
    return True


class _yaml_errors:  # noqa: N801 - used as a function
    def __init__(self, source: str, text: str) -> None:
        self.source, self.text = source, text

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if isinstance(error, yaml.MarkedYAMLError):
            mark = error.problem_mark or error.context_mark
            reason = f"{error.problem or error.context or 'malformed'}."
            if mark and self.text[mark.index : mark.index + 1] == "\t":
                reason = "a tab stands here; YAML is indented with spaces."
            raise InvalidDocument(reason, where=_place(self.source, mark)) from error
        if isinstance(error, yaml.YAMLError):
            raise InvalidDocument(f"not readable: {error}", where=self.source) from error


def _place(source: str, mark: Any) -> str:
    return f"{source}:{mark.line + 1}:{mark.column + 1}" if mark else source


def _check_depth(text: str, source: str) -> None:
    """Refuse deep nesting before `compose`, whose C code would overrun the stack."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            where = _place(source, event.start_mark)
            raise InvalidDocument(f"nested more than {_DEEPEST} levels deep.", where=where)


@dataclass(slots=True)
class _Reader:
    document: MarkedDocument
    substitute: Callable[[str], str]
    nodes: int = 0

    def read_root(self, node: Any) -> None:
        if node is not None:
            self.document.data = self.read(node, ())

    def read(self, node: Any, path: Path) -> Any:
        self.nodes += 1
        if self.nodes > _MOST_NODES or len(path) > _DEEPEST:
            raise self.refuse(node, "too large once its aliases are followed.")
        if node.tag not in _TAGS:
            raise self.refuse(node, f"the tag {node.tag} is not supported.")
        mark = node.start_mark
        self.document.marks[path] = (mark.line + 1, mark.column + 1)
        if isinstance(node, yaml.MappingNode):
            return {key: self.read(value, (*path, key)) for key, value in self.members(node)}
        if isinstance(node, yaml.SequenceNode):
            return [self.read(value, (*path, at)) for at, value in enumerate(node.value)]
        return self.scalar(node)

    def members(self, node: Any) -> Iterator[tuple[str, Any]]:
        seen = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self.refuse(key, "a key must be text.")
            if key.value == "<<" and not key.style:
                raise self.refuse(key, "merge keys (<<) are not supported: write the members out.")
            if key.value in seen:
                raise self.refuse(key, f"the key {key.value!r} occurs twice.")
            seen.add(key.value)
            yield key.value, value

    def scalar(self, node: Any) -> Any:
        try:
            text = self.substitute(node.value)
        except InvalidDocument as error:
            raise self.refuse(node, str(error)) from error
        return _plain(text) if not node.style else text

    def refuse(self, node: Any, message: str) -> InvalidDocument:
        return InvalidDocument(message, where=_place(self.document.source, node.start_mark))


def is_text_when_plain(text: str) -> bool:
    """Whether `text` written without quotes is read as text again."""
    return isinstance(_plain(text), str)


def _plain(text: str) -> object:
    if text in _CORE_WORDS:
        return _CORE_WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    return text
