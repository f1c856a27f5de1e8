"""What gateways enforce, kept ready by rows, and what changes from one version to another.

One of these lives in each web process. The first reading takes everything; after that a change of
subscriptions reads those that it changed, and any other change reads the catalog, which is small
beside 100,000 subscriptions. What a gateway lacks is worked out from which rows were touched since
its version: more than it lacks does no harm, and the digest tells whether it was enough.
"""

import logging
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ams.http import read_configuration as reading
from ams.http.read_configuration import SubscriptionRow
from wire.snapshot_document import (
    Head,
    add_digests,
    encode_document,
    encode_row,
    members_digest,
    row_digest,
    write_digest,
)

logger = logging.getLogger(__name__)

_SUBSCRIPTIONS: Final = "subscriptions"
# Above this everything is sent: it is read in slices, and costs little more.
_MOST_TOUCHED: Final = 20_000

# A gateway names the version that it holds, and may name any: each has a document of its own.
_MOST_DOCUMENTS: Final = 64

Touched = set[tuple[str, str]]  # kind and id


class SnapshotState:
    """Not for two threads at once."""

    def __init__(self) -> None:
        self.version = 0  # nothing was read yet
        self._members: Mapping[str, Any] = {}
        self._rows: dict[str, dict[str, bytes]] = {_SUBSCRIPTIONS: {}}
        self._digest = members_digest({})
        self._catalog_version = 0
        self._api_marks: Mapping[str, str] = {}
        # Versions, and what was touched to get there; complete for what is after `_known_since`.
        self._steps: deque[tuple[int, Touched]] = deque()
        self._known_since = 0
        self._documents: dict[int | None, bytes] = {}

    @property
    def digest(self) -> str:
        return write_digest(self._digest)

    def refresh(self) -> None:
        """Read what has changed; blocks. Raises DatabaseError, with nothing changed."""
        with reading.one_moment():
            marks = reading.read_marks()
            if marks.version == self.version:
                return
            is_new = self.version == 0 or marks.version < self.version  # from a backup
            catalog = None
            if is_new or marks.catalog_version > self.version:
                catalog = reading.read_catalog({} if is_new else self._api_marks)
            subscriptions = None
            if not is_new:
                subscriptions = self._read_newer_subscriptions()
            everything = reading.read_subscriptions() if subscriptions is None else None
        touched: Touched = set()
        if catalog is not None:
            touched |= self._take_catalog(catalog)
        if everything is not None:
            lines = {row.id: _line_of(row) for row in everything}
            touched |= self._replace(_SUBSCRIPTIONS, lines)
        for row in subscriptions or ():
            touched.add((_SUBSCRIPTIONS, row.id))
            self._put(_SUBSCRIPTIONS, row.id, _line_of(row) if row.is_active else None)
        self._catalog_version = marks.catalog_version
        self.version = marks.version
        self._documents.clear()
        self._note_step(touched, is_new=is_new)

    def document(self, after: int | None) -> bytes:
        """Return what leads from version `after` to the present one; None: everything. Blocks."""
        known = self._documents.get(after)
        if known is not None:
            return known
        touched = None if after is None else self._touched_since(after)
        if touched is None and after is not None:
            return self.document(None)
        made = self._everything() if touched is None else self._change(after, touched)
        if after is None or len(self._documents) < _MOST_DOCUMENTS:
            self._documents[after] = made
        return made

    def _read_newer_subscriptions(self) -> list[SubscriptionRow] | None:
        """Return the subscriptions that were changed, or None when somebody did not say so."""
        newer = reading.read_subscriptions_since(self.version)
        held = self._rows[_SUBSCRIPTIONS]
        ids = {row.id for row in newer}
        count = sum(row.is_active for row in newer) + len(held) - len(ids & held.keys())
        if count == reading.count_subscriptions():
            return newer
        logger.warning("Subscriptions were changed without their version: all are read.")
        return None

    def _take_catalog(self, catalog: reading.Catalog) -> Touched:
        self._digest = add_digests(
            self._digest, members_digest(catalog.members) - members_digest(self._members)
        )
        self._members = catalog.members
        self._api_marks = catalog.api_marks
        held = self._rows.get("apis", {})
        touched: Touched = set()
        for kind, rows in catalog.rows.items():
            lines = {str(row["id"]): encode_row(row) for row in rows}
            if kind == "apis":  # those that were not read again are as they were
                lines = {key: held[key] for key in catalog.api_marks if key not in lines} | lines
            touched |= self._replace(kind, lines)
        return touched

    def _replace(self, kind: str, lines: Mapping[str, bytes]) -> Touched:
        """Put `lines` in place of all rows of the kind, and return those that are different."""
        held = self._rows.setdefault(kind, {})
        different = {
            identifier
            for identifier in held.keys() | lines.keys()
            if held.get(identifier) != lines.get(identifier)
        }
        for identifier in different:
            self._put(kind, identifier, lines.get(identifier))
        return {(kind, identifier) for identifier in different}

    def _put(self, kind: str, identifier: str, line: bytes | None) -> None:
        rows = self._rows[kind]
        before = rows.pop(identifier, None)
        if before is not None:
            self._digest = add_digests(self._digest, -row_digest(kind, before))
        if line is not None:
            rows[identifier] = line
            self._digest = add_digests(self._digest, row_digest(kind, line))

    def _note_step(self, touched: Touched, *, is_new: bool) -> None:
        if is_new:
            self._steps.clear()
            self._known_since = self.version
            return
        self._steps.append((self.version, touched))
        while sum(len(ids) for _, ids in self._steps) > _MOST_TOUCHED:
            self._known_since, _ = self._steps.popleft()

    def _touched_since(self, after: int) -> Touched | None:
        if after >= self._known_since:
            steps = [touched for version, touched in self._steps if version > after]
            return set[tuple[str, str]]().union(*steps)
        if self._catalog_version > after:
            return None
        # This process is younger than the version, but subscriptions know when they changed.
        ids = reading.read_subscription_ids_since(after, at_most=_MOST_TOUCHED)
        return None if ids is None else {(_SUBSCRIPTIONS, identifier) for identifier in ids}

    def _everything(self) -> bytes:
        head = Head(self.version, self.digest, members=self._members)
        return encode_document(head, {kind: by_id.values() for kind, by_id in self._rows.items()})

    def _change(self, after: int | None, touched: Iterable[tuple[str, str]]) -> bytes:
        rows: dict[str, list[bytes]] = {kind: [] for kind in self._rows}
        deleted: dict[str, list[str]] = {}
        for kind, identifier in sorted(touched):
            line = self._rows[kind].get(identifier)
            if line is None:
                deleted.setdefault(kind, []).append(identifier)
            else:
                rows[kind].append(line)
        gone = {kind: tuple(identifiers) for kind, identifiers in deleted.items()}
        return encode_document(Head(self.version, self.digest, after, gone, self._members), rows)


def build_snapshot() -> SnapshotState:
    """Return the present state, read from the database as a whole; blocks."""
    state = SnapshotState()
    state.refresh()
    return state


def _line_of(row: SubscriptionRow) -> bytes:
    return encode_row({"id": row.id, "client_id": row.client_id, "plan_id": row.plan_id})
