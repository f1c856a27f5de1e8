"""The snapshot as a gateway holds it: rows by kind and id, each beside the line it was read from.

What a change does not name keeps its objects, and what a whole snapshot says again in the same
words does, too: so everything that was worked out from a row stays right as long as the row is the
same object. Tables are never changed; the next ones share what is the same.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.slices import Steps
from wire.gateway_snapshot import KINDS, REFERENCES, Subscription, check_references
from wire.snapshot_document import (
    Head,
    MalformedSnapshot,
    add_digests,
    lay_out,
    members_digest,
    read_head,
    read_lines,
    row_digest,
    write_digest,
)

Rows = Mapping[str, Any]  # by id
Lines = Mapping[str, bytes]  # by id
Clients = Mapping[str, tuple[Subscription, ...]]  # by client id; the oldest first


class NotOurBase(MalformedSnapshot):
    """A change does not fit what is held, or what came of it is not what the server has."""


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """Everything of one version. Compared by identity, as are the mappings in it."""

    version: int = 0
    digest: int = 0
    members: Mapping[str, Any] = field(default_factory=dict)
    rows: Mapping[str, Rows] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    # Kept so that the file on disk can be written anew, also with what only newer gateways read.
    lines: Mapping[str, Lines] = field(default_factory=dict)
    clients: Clients = field(default_factory=dict)

    @property
    def head(self) -> Head:
        """Return the head of a document that holds all of it."""
        return Head(self.version, write_digest(self.digest), members=self.members)


@dataclass(slots=True)
class _Draft:
    """Tables in the making. `put` has the ids of rows that are new or different, by kind."""

    held: Tables
    is_whole: bool
    digest: int
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    lines: dict[str, dict[str, bytes]] = field(default_factory=dict)
    put: dict[str, set[str]] = field(default_factory=dict)
    dropped: dict[str, set[str]] = field(default_factory=dict)

    def open(self, kind: str) -> dict[str, bytes]:
        """Return the lines of `kind`; from here on they and the rows may be changed."""
        lines = self.lines.get(kind)
        if lines is None:
            # Copies of the mappings only: 1 ms with 100,000 rows.
            lines = {} if self.is_whole else dict(self.held.lines.get(kind, {}))
            self.lines[kind] = lines
            self.rows[kind] = {} if self.is_whole else dict(self.held.rows.get(kind, {}))
            self.put[kind] = set()
            self.dropped[kind] = set()
        return lines

    def rows_of(self, kind: str) -> Rows:
        if self.is_whole:
            self.open(kind)
        elif kind not in self.rows:
            return self.held.rows.get(kind, {})
        rows = self.rows[kind]
        held = self.held.rows.get(kind, {})
        is_same = not self.put[kind] and not self.dropped[kind] and len(rows) == len(held)
        return held if is_same else rows


def read_tables(document: bytes, held: Tables) -> Steps[Tables]:
    """Return the tables that `document` makes of `held`. Raises MalformedSnapshot.

    Nothing of a document that is refused is in force: `held` stays as it is.
    """
    document = lay_out(document)
    head = read_head(document)
    draft = _begin(head, held)
    for kind, line in read_lines(document):
        _put(draft, kind, line)
        yield
    if head.digest and write_digest(draft.digest) != head.digest:
        raise NotOurBase(f"digest: version {head.version} has another content at the server.")
    rows = {kind: draft.rows_of(kind) for kind in KINDS}
    yield from _check(draft, rows)
    clients = yield from _clients_of(draft, rows["subscriptions"])
    return Tables(
        version=head.version,
        digest=draft.digest,
        members=head.members,
        rows=rows,
        lines=draft.lines if draft.is_whole else {**held.lines, **draft.lines},
        clients=clients,
    )


def _begin(head: Head, held: Tables) -> _Draft:
    if head.since is None:
        return _Draft(held, is_whole=True, digest=members_digest(head.members))
    if head.since != held.version:
        raise NotOurBase(f"since: a change of version {head.since} does not fit {held.version}.")
    digest = held.digest - members_digest(held.members) + members_digest(head.members)
    draft = _Draft(held, is_whole=False, digest=add_digests(digest, 0))
    for kind, identifiers in head.deleted.items():
        for identifier in identifiers:
            _drop(draft, kind, identifier)
    return draft


def _drop(draft: _Draft, kind: str, identifier: str) -> None:
    line = draft.open(kind).pop(identifier, None)
    if line is None:
        return  # a change may name more than came and went in between
    draft.rows[kind].pop(identifier, None)
    draft.digest = add_digests(draft.digest, -row_digest(kind, line))
    draft.dropped[kind].add(identifier)


def _put(draft: _Draft, kind: str, line: bytes) -> None:
    try:
        document = json.loads(line)
    except ValueError as error:
        raise MalformedSnapshot(f"{kind}: a row is not JSON: {error}") from error
    identifier = document.get("id")
    if type(identifier) is not str:
        raise MalformedSnapshot(f"{kind}: id: a string is expected.")
    lines = draft.open(kind)
    before = lines.get(identifier)
    if before is not None:
        draft.digest = add_digests(draft.digest, -row_digest(kind, before))
    draft.digest = add_digests(draft.digest, row_digest(kind, line))
    held = draft.held.lines.get(kind, {}).get(identifier)
    if held == line and identifier in draft.held.rows.get(kind, {}):
        lines[identifier] = held
        draft.rows[kind][identifier] = draft.held.rows[kind][identifier]
        return
    lines[identifier] = line
    read = KINDS.get(kind)
    if read is not None:  # else of a newer control API; the line alone is kept
        draft.rows[kind][identifier] = read(document)
        draft.put[kind].add(identifier)


def _check(draft: _Draft, rows: Mapping[str, Rows]) -> Steps[None]:
    """Check that each row that is named is there."""
    for kind, references in REFERENCES.items():
        lost = any(draft.dropped.get(other) for _, other in references)
        put = draft.put.get(kind, set())
        for identifier in rows[kind] if draft.is_whole or lost else put:
            check_references(kind, rows[kind][identifier], rows)
            yield


def _clients_of(draft: _Draft, rows: Rows) -> Steps[Clients]:
    held: Mapping[str, Subscription] = draft.held.rows["subscriptions"]
    if rows is held:
        return draft.held.clients
    if draft.is_whole:
        return (yield from _gather_clients(rows.values()))
    clients = dict(draft.held.clients)
    touched = draft.put["subscriptions"] | draft.dropped["subscriptions"]
    for identifier in touched:
        before, after = held.get(identifier), rows.get(identifier)
        if before is not None:
            _take_out(clients, before)
        if after is not None:
            clients[after.client_id] = _in_order((*clients.get(after.client_id, ()), after))
        yield
    return clients


def _take_out(clients: dict[str, tuple[Subscription, ...]], gone: Subscription) -> None:
    left = tuple(one for one in clients[gone.client_id] if one.id != gone.id)
    if left:
        clients[gone.client_id] = left
    else:
        del clients[gone.client_id]


def _gather_clients(subscriptions: Iterable[Subscription]) -> Steps[Clients]:
    clients: dict[str, tuple[Subscription, ...]] = {}
    for one in subscriptions:
        known = clients.get(one.client_id)
        clients[one.client_id] = (one,) if known is None else _in_order((*known, one))
        yield
    return clients


def _in_order(subscriptions: tuple[Subscription, ...]) -> tuple[Subscription, ...]:
    return tuple(sorted(subscriptions, key=_id_of))


def _id_of(subscription: Subscription) -> str:
    return subscription.id
