"""`GET /control/v1/snapshot`: gateways long-poll the configuration here.

A plain ASGI application beside Django. A waiting gateway is a coroutine: it holds no thread and
no database connection, whatever the number of gateways.
"""

import asyncio
import contextlib
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import parse_qs

from asgiref.sync import sync_to_async
from django.db import DatabaseError, InterfaceError, connection

from ams.errors import TokenServiceUnavailable
from ams.http import control_access
from ams.http.control_access import Answer
from ams.http.read_configuration import read_version
from ams.http.snapshot_state import SnapshotState
from wire.change_signal import ChangeSignal
from wire.oauth_errors import OAuthError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApplication = Callable[[Scope, Receive, Send], Awaitable[None]]
T = TypeVar("T")

logger = logging.getLogger(__name__)

LONGEST_WAIT_SECONDS: Final = 25
# Should a signal be lost, a change is still seen within this time.
RECHECK_SECONDS: Final = 5.0
# Up to the largest bigint; more digits are no version of ours.
_NUMBER: Final = re.compile(r"[0-9]{1,18}")
_DIGEST: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Question:
    """What a gateway holds, and how long it waits for something newer."""

    after: int
    wait_seconds: int
    digest: str  # empty: it wants everything, not a change


class BadParameter(Exception):
    """A parameter of the query is unusable; the message names it."""


class ClientDisconnected(Exception):
    """Nobody waits for the answer any more."""


class SnapshotReader:
    """What all long polls of one process share: one read of the version, one state of the rows."""

    def __init__(self) -> None:
        self._state = SnapshotState()
        self._using = asyncio.Lock()
        self._reading = asyncio.Lock()
        self._version = 0
        self._read_at = float("-inf")

    async def read_version(self) -> int:
        """Return the version as it is now or was after this call began.

        A change wakes every gateway at once: those that wait for the lock share the next read.
        """
        called_at = asyncio.get_running_loop().time()
        async with self._reading:
            if self._read_at <= called_at:
                started_at = asyncio.get_running_loop().time()
                self._version = await _in_thread(read_version)
                self._read_at = started_at
            return self._version

    async def read_digest(self, version: int) -> str:
        """Return the digest of `version` or a later one; what is new is read once for all."""
        async with self._using:
            await self._refresh(version)
            return self._state.digest

    async def read_document(self, version: int, after: int | None) -> bytes:
        """Return what leads from `after` to `version` or a later one; None: everything."""
        async with self._using:
            await self._refresh(version)
            return await _in_thread(self._state.document, after)

    async def _refresh(self, version: int) -> None:
        if self._state.version != version:
            await _in_thread(self._state.refresh)


def build_application(signal: ChangeSignal) -> ASGIApplication:
    """Return the ASGI application that answers the long poll; `signal` wakes it."""
    reader = SnapshotReader()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        with contextlib.suppress(ClientDisconnected):
            answer = await _answer(scope, receive, signal, reader)
            await _send(send, answer)

    return application


async def _answer(
    scope: Scope, receive: Receive, signal: ChangeSignal, reader: SnapshotReader
) -> Answer:
    """Return the answer to the request. Raises ClientDisconnected."""
    if scope["method"] != "GET":
        return control_access.answer_wrong_method("GET")
    try:
        await _in_thread(control_access.require_gateway, _authorization(scope))
        question = _read_parameters(scope["query_string"])
        return await _until_disconnected(_poll(signal, reader, question), receive)
    except OAuthError as error:
        return control_access.answer_refusal(error)
    except BadParameter as error:
        return control_access.answer_bad_parameter(str(error))
    except TokenServiceUnavailable as error:
        return control_access.answer_unchecked(error)
    except (DatabaseError, InterfaceError):
        logger.exception("The snapshot cannot be read.")
        return control_access.answer_unavailable()


async def _poll(signal: ChangeSignal, reader: SnapshotReader, question: Question) -> Answer:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + question.wait_seconds
    while True:
        # Marked before the read, so that a change between the read and the wait is not missed.
        mark = signal.mark()
        version = await reader.read_version()
        # Also when nothing is new: the next change finds the rows here, and is there at once.
        digest = await reader.read_digest(version)
        if version > question.after:
            base = question.after if question.digest else None
            return _document(await reader.read_document(version, base))
        remaining = deadline - loop.time()
        if remaining <= 0:
            break
        await signal.wait(mark, min(remaining, RECHECK_SECONDS))
    if version < question.after or question.digest not in {"", digest}:
        # The database was restored from a backup: what it says now is the truth. Told at the end
        # of the wait only, so that a gateway which does not step back cannot spin.
        return _document(await reader.read_document(version, None))
    return Answer(204, {"Cache-Control": "no-store"}, b"")


def _document(body: bytes) -> Answer:
    return Answer(200, {"Content-Type": "application/json", "Cache-Control": "no-store"}, body)


async def _until_disconnected(poll: Awaitable[Answer], receive: Receive) -> Answer:
    """Return what `poll` yields. Raises ClientDisconnected, and ends `poll`, when nobody waits."""
    polling = asyncio.ensure_future(poll)
    leaving = asyncio.ensure_future(_wait_for_disconnect(receive))
    try:
        await asyncio.wait({polling, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if polling.done():
            return polling.result()
        raise ClientDisconnected
    finally:
        for task in (polling, leaving):
            task.cancel()
        await asyncio.gather(polling, leaving, return_exceptions=True)


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _authorization(scope: Mapping[str, Any]) -> list[str]:
    return [value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"]


def _read_parameters(query_string: bytes) -> Question:
    query = parse_qs(query_string.decode("latin-1"), keep_blank_values=True)
    return Question(
        after=_read_number(query, "after"),
        wait_seconds=min(_read_number(query, "wait"), LONGEST_WAIT_SECONDS),
        digest=_read_digest(query),
    )


def _read_digest(query: Mapping[str, list[str]]) -> str:
    values = query.get("digest", [""])
    if len(values) > 1:
        raise BadParameter("digest: send it once.")
    if values[0] and not _DIGEST.fullmatch(values[0]):
        raise BadParameter("digest: the one of the snapshot that is held is expected.")
    return values[0]


def _read_number(query: Mapping[str, list[str]], name: str) -> int:
    values = query.get(name, ["0"])
    if len(values) > 1:
        raise BadParameter(f"{name}: send it once.")
    if not _NUMBER.fullmatch(values[0]):
        raise BadParameter(f"{name}: a whole number from 0 is expected.")
    return int(values[0])


async def _in_thread(function: Callable[..., T], *arguments: object) -> T:
    """Return the result of blocking `function`, run in a thread that keeps no connection."""

    def run() -> T:
        try:
            return function(*arguments)
        finally:
            connection.close()

    return await sync_to_async(run, thread_sensitive=False)()


async def _send(send: Send, answer: Answer) -> None:
    headers = [
        (name.lower().encode("ascii"), value.encode("latin-1"))
        for name, value in answer.headers.items()
    ]
    if answer.status != 204:
        headers.append((b"content-length", str(len(answer.body)).encode("ascii")))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
