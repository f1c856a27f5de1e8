"""Close the part of the audit log that nothing can be added to any more."""

import logging
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import Max
from django.utils import timezone

from ims.audit import chain
from ims.models import AuditEvent, AuditSeal
from ims.queries import audit_log
from ims.queries.audit_log import Position

logger = logging.getLogger(__name__)

# Any number that no other advisory lock of this database uses ("seal" in ASCII).
_LOCK: Final = 0x7365_616C
MOST_EVENTS: Final = 5_000


@transaction.atomic
def seal_audit_events() -> AuditSeal | None:
    """Return a new seal over at most MOST_EVENTS events, or None when there is nothing to seal.

    Ids commit out of order, but once every transaction below a number has ended, nothing can be
    added there: only events of those are sealed, in the order of (transaction_id, id). Two sealers
    at once: the second finds nothing to do. The hash goes to the process log as well, where whoever
    can write to the database cannot change it.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        if not cursor.fetchone()[0]:
            return None
        cursor.execute(
            "SELECT pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint"
            " FROM pg_current_snapshot() AS s"
        )
        oldest_running, next_transaction = cursor.fetchone()
    last = AuditSeal.objects.order_by("-number").first()
    start = audit_log.position_of(last)
    if start.transaction_id < next_transaction:
        events = _list_ended(start, oldest_running)
    else:
        start, events = _go_on_in_another_cluster(start, oldest_running, next_transaction)
    return _seal(last, start, events) if events else None


def _seal(last: AuditSeal | None, start: Position, events: list[dict[str, Any]]) -> AuditSeal:
    seal = AuditSeal(
        number=1 if last is None else last.number + 1,
        sealed_at=timezone.now(),
        above_id=start.above_id,
        last_transaction_id=events[-1]["transaction_id"],
        last_id=events[-1]["id"],
        event_count=len(events),
    )
    seal.hash, _ = chain.hash_seal(
        previous=chain.GENESIS if last is None else bytes(last.hash),
        header=audit_log.header_of(seal),
        events=events,
    )
    seal.mac = chain.make_mac(seal.hash)
    seal.save(force_insert=True)
    logger.info("Audit seal %s over %s events: %s", seal.number, len(events), seal.hash.hex())
    return seal


def _list_ended(start: Position, before_transaction: int | None) -> list[dict[str, Any]]:
    return audit_log.list_sealable(start, before_transaction=before_transaction, most=MOST_EVENTS)


def _go_on_in_another_cluster(
    start: Position, oldest_running: int, next_transaction: int
) -> tuple[Position, list[dict[str, Any]]]:
    """Return where to go on after the log was restored into another database cluster, and events.

    Its transactions are numbered from the beginning again, so the last seal is ahead of every new
    event. What the dump held unsealed is sealed first; nothing can be added there. Then events are
    told apart by id: a restored sequence goes on where it was.
    """
    left_over = _list_ended(start, None)
    if left_over:
        return start, left_over
    restored = AuditEvent.objects.filter(transaction_id__gte=next_transaction)
    newest = restored.aggregate(newest=Max("id"))["newest"]
    anew = Position(above_id=newest or 0)
    return anew, _list_ended(anew, oldest_running)
