"""Write one line of the audit log."""

import json
from collections.abc import Mapping
from typing import Any, Final

from django.db import connection

from ims.audit import context
from ims.audit.events import Event, Outcome

_LONGEST_CLIENT_ID: Final = 512
_LONGEST_REASON: Final = 64
_LONGEST_SUBJECT: Final = 64
_LONGEST_ACTOR: Final = 150
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

# The database fills in id, transaction and time. As a part of another statement it costs no round
# trip: WITH audit AS (<INSERT_SQL>) INSERT INTO ...
COLUMNS: Final = (
    "event, outcome, reason, client_id, subject, actor, address, user_agent, request_id, detail"
)
INSERT_SQL: Final = (
    f"INSERT INTO ims_auditevent ({COLUMNS})"  # noqa: S608 - our own columns
    " VALUES (%s, %s, %s, %s, %s, %s, %s::inet, %s, %s, %s::jsonb)"
)


def record_audit_event(
    *,
    event: Event,
    outcome: Outcome = Outcome.SUCCESS,
    client_id: str = "",
    subject: str = "",
    reason: str = "",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Append the event with the origin of the present request; one INSERT.

    Call it in the transaction of the change that it tells of. A failure is recorded where no
    transaction is about to be rolled back. `detail` never holds a token, code or secret: name one
    by `digest[:8].hex()`, eight octets.
    """
    parameters = build_parameters(
        event=event,
        outcome=outcome,
        client_id=client_id,
        subject=subject,
        reason=reason,
        detail=detail,
    )
    with connection.cursor() as cursor:
        cursor.execute(INSERT_SQL, parameters)


def build_parameters(
    *,
    event: Event,
    outcome: Outcome = Outcome.SUCCESS,
    client_id: str = "",
    subject: str = "",
    reason: str = "",
    detail: Mapping[str, Any] | None = None,
) -> tuple[str | None, ...]:
    """Return the parameters of INSERT_SQL for an event of the present request."""
    origin = context.current()
    return (
        event.value,
        outcome.value,
        storable(reason)[:_LONGEST_REASON],
        storable(client_id)[:_LONGEST_CLIENT_ID],
        subject[:_LONGEST_SUBJECT],
        origin.acting[:_LONGEST_ACTOR],
        origin.address,
        storable(origin.user_agent),
        origin.request_id,
        as_json({**origin.facts, **(detail or {})}),
    )


def storable(text: str) -> str:
    """Return `text` without what PostgreSQL has no place for; callers may send anything."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def as_json(detail: Mapping[str, Any]) -> str:
    """Return the `detail` of an event as it is stored."""
    return _ENCODER.encode(_clean(detail))


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, Mapping):
        return {storable(str(name)): _clean(member) for name, member in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(member) for member in value]
    return value if value is None or isinstance(value, bool | int) else storable(str(value))
