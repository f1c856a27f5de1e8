"""Make the catalog, plans and subscriptions what a document says."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.db import transaction

from ams.documents.difference import Change
from ams.documents.document import Document, read_document
from ams.documents.kinds import KINDS, Kind, Present
from ams.errors import AMSError, FieldProblem, InvalidFields


def apply_document(
    *,
    text: str,
    source: str,
    folder: Path,
    environment: Mapping[str, str],
    dry_run: bool = False,
    prune: bool = False,
    probe: bool = True,
) -> tuple[Change, ...]:
    """Return what was changed; nothing is, when anything is wrong or with `dry_run`.

    With `prune`, what a section of the document does not name goes away; kinds without a section
    are left alone. A dry run does everything and rolls it back, so it finds every problem that
    the real run would. With `probe`, upstreams are asked for health paths that are new or changed,
    which blocks for seconds. Raises InvalidDocument with `source:line:column` of each problem.
    """
    document = read_document(text=text, source=source, folder=folder, environment=environment)
    if probe:
        _probe(document)  # before the transaction, which keeps others from changing anything
    with transaction.atomic():
        changes = [change for kind in KINDS for change in _apply_section(kind, document)]
        if prune:
            changes += [
                change for kind in reversed(KINDS) for change in _prune_section(kind, document)
            ]
        if dry_run:
            transaction.set_rollback(True)
    return tuple(changes)


def _probe(document: Document) -> None:
    for kind in KINDS:
        if kind.probe is None or kind.section not in document.sections:
            continue
        present = {kind.key(row.spec): row.spec for row in kind.load()}
        wanted = document.sections[kind.section]
        found = kind.probe([(spec, present.get(kind.key(spec))) for _, spec in wanted])
        document.complain(
            [
                problem.below(kind.section, at)
                for (at, _), problems in zip(wanted, found, strict=True)
                for problem in problems
            ]
        )


def _apply_section(kind: Kind, document: Document) -> list[Change]:
    present = {kind.key(row.spec): row for row in kind.load()}
    changes: list[Change] = []
    problems: list[FieldProblem] = []
    for at, given in document.sections.get(kind.section, ()):
        known = present.get(kind.key(given))
        wanted = kind.complete(given, known.spec if known else None)
        if known is not None and known.spec == wanted:
            continue
        problems += _problems_of_saving(kind, wanted, known, at)
        changes.append(
            Change(kind.section, kind.key(wanted), known.spec if known else None, wanted)
        )
    document.complain(problems)
    return changes


def _problems_of_saving(
    kind: Kind, wanted: Any, known: Present | None, at: int
) -> list[FieldProblem]:
    try:
        kind.save(wanted, known.id if known else None)
    except InvalidFields as error:
        return [problem.below(kind.section, at) for problem in error.problems]
    except AMSError as error:
        return [FieldProblem((kind.section, at), str(error))]
    return []


def _prune_section(kind: Kind, document: Document) -> list[Change]:
    if kind.section not in document.sections:
        return []
    named = {kind.key(spec) for _, spec in document.sections[kind.section]}
    changes: list[Change] = []
    for row in kind.load():
        if kind.key(row.spec) in named:
            continue
        try:
            left = kind.remove(row)
        except AMSError as error:
            message = f"{kind.key(row.spec)} cannot be pruned: {error}"
            document.complain([FieldProblem((kind.section,), message)])
        if left is not None and left != row.spec:
            kind.save(left, row.id)
        if left != row.spec:
            changes.append(Change(kind.section, kind.key(row.spec), row.spec, left))
    return changes
