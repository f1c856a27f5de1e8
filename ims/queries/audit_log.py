"""The audit log, read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db.models import Q, QuerySet

from ims.audit import chain
from ims.models import AuditEvent, AuditSeal

_ROWS_AT_ONCE: Final = 2_000


@dataclass(frozen=True, slots=True)
class Position:
    """Where in the order of (transaction_id, id) a seal ends; `above_id` see AuditSeal."""

    transaction_id: int = 0
    id: int = 0
    above_id: int = 0


def list_events(
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    events: Sequence[str] = (),
    client_id: str = "",
    subject: str = "",
) -> QuerySet[AuditEvent]:
    """Return the events of [since, until), oldest first; what is left out does not restrict."""
    conditions = {
        "occurred_at__gte": since,
        "occurred_at__lt": until,
        "event__in": events,
        "client_id": client_id,
        "subject": subject,
    }
    wanted = {name: value for name, value in conditions.items() if value}
    return AuditEvent.objects.filter(**wanted).order_by("id")


def export_lines(found: QuerySet[AuditEvent]) -> Iterator[str]:
    """Yield each event as a line of JSON, in the very form that is sealed."""
    for row in found.values(*chain.COLUMNS).iterator(chunk_size=_ROWS_AT_ONCE):
        yield chain.canonical(row).decode() + "\n"


def list_sealable(
    start: Position, *, before_transaction: int | None, most: int
) -> list[dict[str, Any]]:
    """Return at most `most` events behind `start`, in the order in which they are sealed."""
    later = Q(transaction_id=start.transaction_id, id__gt=start.id)
    rows = AuditEvent.objects.filter(
        Q(transaction_id__gt=start.transaction_id) | later,
        transaction_id__gte=start.transaction_id,  # the index has one range to look through
        id__gt=start.above_id,
    )
    if before_transaction is not None:
        rows = rows.filter(transaction_id__lt=before_transaction)
    return list(rows.order_by("transaction_id", "id").values(*chain.COLUMNS)[:most])


def list_in_order(*, above_id: int, up_to_id: int | None) -> Iterator[dict[str, Any]]:
    """Yield the events of one cluster in the order in which they are sealed; sorts them all."""
    rows = AuditEvent.objects.filter(id__gt=above_id)
    if up_to_id is not None:
        rows = rows.filter(id__lte=up_to_id)
    ordered = rows.order_by("transaction_id", "id").values(*chain.COLUMNS)
    yield from ordered.iterator(chunk_size=_ROWS_AT_ONCE)


def position_of(seal: AuditSeal | None) -> Position:
    """Return where `seal` ends; the very beginning without one."""
    if seal is None:
        return Position()
    return Position(seal.last_transaction_id, seal.last_id, seal.above_id)


def header_of(seal: AuditSeal) -> dict[str, Any]:
    """Return what of the seal itself is under its hash."""
    return {
        "number": seal.number,
        "sealed_at": seal.sealed_at,
        "above_id": seal.above_id,
        "last_transaction_id": seal.last_transaction_id,
        "last_id": seal.last_id,
        "event_count": seal.event_count,
    }
