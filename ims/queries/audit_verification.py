"""Whether the audit log is still what was sealed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.utils import timezone

from ims.audit import chain
from ims.models import AuditSeal
from ims.queries import audit_log

# An event is sealed within seconds where the worker is at work.
_SEALED_WITHIN: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Verification:
    """What reading the whole log came to; `broken` says what is wrong first, empty when nothing is.

    `head` is `number:hash` of the last seal that holds. Kept elsewhere, it shows later that the
    end of the log was not cut off, which the log cannot show by itself.
    """

    seals: int
    events: int
    unsealed: int
    overdue: int
    head: str
    broken: str = ""


@dataclass(slots=True)
class _Progress:
    """How far the chain holds."""

    number: int = 0
    hash: bytes = chain.GENESIS
    events: int = 0
    unsealed: int = 0
    overdue: int = 0
    is_expected_met: bool = True

    @property
    def head(self) -> str:
        return f"{self.number}:{self.hash.hex()}"


class _ChainBroken(Exception):
    """The message is for people."""


def verify_audit_log(*, expected_head: str = "") -> Verification:
    """Return what checking every seal against its events came to; reads and sorts the whole log.

    `expected_head` is the `head` of an earlier verification, which must be in the chain still.
    """
    progress = _Progress(is_expected_met=expected_head in {"", _Progress().head})
    # One for each database cluster that the log has lived in; see `seal_audit_events`.
    windows = list(
        AuditSeal.objects.order_by("above_id").values_list("above_id", flat=True).distinct()
    ) or [0]
    broken = ""
    try:
        for above_id, up_to_id in zip(windows, [*windows[1:], None], strict=True):
            _verify_window(progress, above_id, up_to_id, expected_head)
        if not progress.is_expected_met:
            broken = f"The chain ends at {progress.head}; {expected_head} is not in it."
    except _ChainBroken as error:
        broken = str(error)
    return Verification(
        seals=progress.number,
        events=progress.events,
        unsealed=progress.unsealed,
        overdue=progress.overdue,
        head=progress.head,
        broken=broken,
    )


def _verify_window(
    progress: _Progress, above_id: int, up_to_id: int | None, expected_head: str
) -> None:
    events = _Lookahead(audit_log.list_in_order(above_id=above_id, up_to_id=up_to_id))
    for seal in AuditSeal.objects.filter(above_id=above_id).order_by("number").iterator():
        _verify_seal(progress, seal, events)
        progress.is_expected_met |= progress.head == expected_head
    due = timezone.now() - _SEALED_WITHIN
    for occurred_at in events.times_of_the_rest():
        progress.unsealed += 1
        progress.overdue += occurred_at < due


def _verify_seal(progress: _Progress, seal: AuditSeal, events: "_Lookahead") -> None:
    number = progress.number + 1
    if seal.number != number:
        raise _ChainBroken(f"Seal {number} is missing.")
    covered = events.take_up_to(seal.last_transaction_id, seal.last_id)
    sealed, count = chain.hash_seal(
        previous=progress.hash, header=audit_log.header_of(seal), events=covered
    )
    if count != seal.event_count:
        raise _ChainBroken(
            f"Seal {number} was made over {seal.event_count} events, and {count} are there."
        )
    if sealed != bytes(seal.hash):
        raise _ChainBroken(f"Seal {number} does not fit: it, or one of its events, was changed.")
    if not chain.is_mac_of(bytes(seal.mac), sealed):
        raise _ChainBroken(
            f"Seal {number} was not made with this SECRET_KEY (nor with SECRET_KEY_FALLBACKS)."
        )
    progress.number, progress.hash, progress.events = number, sealed, progress.events + count


class _Lookahead:
    """Events in order, handed out up to a position."""

    def __init__(self, events: Iterator[dict[str, Any]]) -> None:
        self._events = events
        self._next = next(events, None)

    def take_up_to(self, transaction_id: int, event_id: int) -> Iterator[dict[str, Any]]:
        while self._next is not None and (
            (self._next["transaction_id"], self._next["id"]) <= (transaction_id, event_id)
        ):
            taken, self._next = self._next, next(self._events, None)
            yield taken

    def times_of_the_rest(self) -> Iterator[datetime]:
        while self._next is not None:
            yield self._next["occurred_at"]
            self._next = next(self._events, None)
