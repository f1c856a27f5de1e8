"""A document as text: its sections read into specs, each with its place."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, Final

from ams.catalog.openapi import read_openapi
from ams.documents.kinds import KINDS
from ams.documents.substitution import substitute
from ams.errors import FieldProblem, InvalidDocument
from ams.field_checks import FieldChecks, suggest
from ams.marked_yaml import MarkedDocument, parse_marked
from ams.spec_fields import read_spec, write_spec

_TAKEN_FROM_OPENAPI: Final = ("version", "summary", "description", "scopes", "operations")


@dataclass(slots=True)
class Document:
    """What a document wants: by section, the specs with their index in it."""

    marked: MarkedDocument
    sections: dict[str, list[tuple[int, Any]]] = field(default_factory=dict)

    def complain(self, problems: list[FieldProblem]) -> None:
        """Raise InvalidDocument with a line a problem, if there is any."""
        if problems:
            lines = [f"{self.marked.where(row.path)}: {row}" for row in problems]
            raise InvalidDocument("\n".join(lines))


def read_document(
    *, text: str, source: str, folder: FilePath, environment: Mapping[str, str]
) -> Document:
    """Return what `text` wants; files it names are looked for in `folder`.

    Raises InvalidDocument with `source:line:column` of each problem.
    """
    marked = parse_marked(
        text, source=source, substitute=lambda value: substitute(value, environment)
    )
    document, checks = Document(marked), FieldChecks()
    sections = marked.data if marked.data is not None else {}
    known = [kind.section for kind in KINDS]
    if not isinstance(sections, Mapping):
        checks.add(f"a mapping with {', '.join(known)} is expected.")
        sections = {}
    for name in sections:
        if name not in known:
            checks.add(f"unknown; known are {', '.join(known)}.{suggest(name, known)}", name)
    for kind in KINDS:
        if kind.section in sections:
            rows = sections[kind.section]
            document.sections[kind.section] = _read_section(kind, rows, folder, checks)
    document.complain(checks.problems)
    return document


def _read_section(
    kind: Any, rows: object, folder: FilePath, checks: FieldChecks
) -> list[tuple[int, Any]]:
    if rows is None:
        return []
    if not isinstance(rows, list):
        checks.add("a list is expected.", kind.section)
        return []
    found = []
    for at, row in enumerate(rows):
        expanded = _expand_openapi(row, folder, (kind.section, at), checks)
        spec = read_spec(kind.spec_type, expanded, (kind.section, at), checks)
        if spec is not None:
            found.append((at, spec))
    checks.unique(((kind.key(spec), (kind.section, at)) for at, spec in found), "name")
    return found


def _expand_openapi(
    row: object, folder: FilePath, path: tuple[str, int], checks: FieldChecks
) -> object:
    """Return `row` with what its OpenAPI document says and it does not say itself."""
    given = row.get("openapi") if isinstance(row, Mapping) and path[0] == "apis" else None
    if given is None:
        return row
    assert isinstance(row, Mapping)  # noqa: S101 - it had a member
    try:
        marked = _load_openapi(given, folder, f"{path[0]}[{path[1]}].openapi")
        reading = read_openapi(marked)
    except InvalidDocument as error:
        checks.add(str(error), *path, "openapi")
        # A name stands in for the title, so that one mistake is told once.
        return {"name": "unknown", **row, "openapi": None}
    taken = {name: getattr(reading, name) for name in _TAKEN_FROM_OPENAPI}
    taken["scopes"] = [write_spec(scope) for scope in reading.scopes]
    taken["operations"] = [write_spec(operation) for operation in reading.operations]
    named = {"name": reading.name} if reading.name else {}
    return {**named, **taken, **row, "openapi": marked.data}


def _load_openapi(given: object, folder: FilePath, name: str) -> MarkedDocument:
    if isinstance(given, Mapping):
        return MarkedDocument(name, given)
    if not isinstance(given, str):
        raise InvalidDocument("a file name or the document itself is expected.")
    try:
        text = (folder / given).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        raise InvalidDocument(f"{given} cannot be read: {reason}.") from error
    return parse_marked(text, source=given)
