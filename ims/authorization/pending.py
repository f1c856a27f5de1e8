"""Authorization requests that wait in the session while a person signs in or makes up their mind.

Forms carry the identifier only; the parameters never leave the server, and are checked again.
"""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.contrib.sessions.backends.base import SessionBase

from ims import conf

_SESSION_KEY: Final = "ims_authorization_requests"
# Tabs that a person may have open at once; the oldest is dropped, so a session cannot be filled.
_MOST: Final = 8


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """`asked_at` is Unix time in seconds: authentication after it satisfies `prompt=login`.

    `is_account_chosen`: the person said to go on as who they are (`prompt=select_account`).
    """

    parameters: dict[str, tuple[str, ...]]
    asked_at: float
    is_account_chosen: bool = False


def remember(session: SessionBase, request: PendingRequest) -> str:
    """Keep `request` in the session; return the identifier that names it there."""
    waiting: dict[str, Any] = {**_read(session)}
    for identifier in sorted(waiting, key=lambda name: float(waiting[name]["asked_at"])):
        if len(waiting) < _MOST:
            break
        del waiting[identifier]
    identifier = secrets.token_urlsafe(16)
    waiting[identifier] = {"parameters": request.parameters, "asked_at": request.asked_at}
    session[_SESSION_KEY] = waiting
    return identifier


def choose_account(session: SessionBase, identifier: str) -> None:
    """Keep that the person goes on with the request as who they are."""
    waiting = {**_read(session)}
    if identifier in waiting:
        waiting[identifier] = {**waiting[identifier], "is_account_chosen": True}
        session[_SESSION_KEY] = waiting


def find(session: SessionBase, identifier: str) -> PendingRequest | None:
    """Return the request that waits under `identifier`, unless it waited too long."""
    kept = _read(session).get(identifier)
    if kept is None or time.time() - kept["asked_at"] > conf.AUTHORIZATION_REQUEST_TTL_SECONDS:
        return None
    # Sessions are JSON: tuples come back as lists.
    parameters = {name: tuple(values) for name, values in kept["parameters"].items()}
    return PendingRequest(
        parameters=parameters,
        asked_at=kept["asked_at"],
        is_account_chosen=kept.get("is_account_chosen", False),
    )


def find_pushed(session: SessionBase, request_uri: str) -> tuple[str, PendingRequest] | None:
    """Return the request that came here under `request_uri`, with its identifier (RFC 9126 §4).

    The name was used up by that, but people reload pages.
    """
    for identifier, kept in _read(session).items():
        # From the cache tuples come back, from the database lists.
        if list(kept["parameters"].get("request_uri", ())) == [request_uri]:
            request = find(session, identifier)
            return None if request is None else (identifier, request)
    return None


def forget(session: SessionBase, identifier: str) -> None:
    """Drop the request: it was answered."""
    waiting = {**_read(session)}
    if waiting.pop(identifier, None) is not None:
        session[_SESSION_KEY] = waiting


def _read(session: SessionBase) -> Mapping[str, Any]:
    kept = session.get(_SESSION_KEY)
    return kept if isinstance(kept, dict) else {}
