"""`GET /oauth/revocations`: the feed of revoked access tokens (`wire.revocation_feed`).

An ASGI application of its own beside Django: a waiting gateway costs a coroutine, never a thread
or a database connection.
"""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from io import BytesIO
from typing import Any, Final
from urllib.parse import parse_qs

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.db import connection

from ims.audit.context import AuditContext, bind
from ims.endpoints import client_authentication
from ims.endpoints.endpoint import build_challenge
from ims.errors import Throttled
from ims.models import Client
from ims.queries.revocations import get_revocations, may_read_revocations
from wire.change_signal import ChangeSignal
from wire.oauth_errors import InvalidClient, InvalidRequest, OAuthError, UnauthorizedClient
from wire.revocation_feed import RevocationPage

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

logger = logging.getLogger(__name__)

LONGEST_WAIT_SECONDS: Final = 25
_LARGEST_CURSOR: Final = 2**63 - 1


class _ClientLeft(Exception):
    """The gateway hung up while it was waiting."""


def build_application(signal: ChangeSignal) -> Application:
    """Return the ASGI application of the feed; `signal` wakes its long polls.

    Answers a page as soon as there is something behind the cursor, and an empty page with the same
    cursor when the wait (`wait` seconds, at most 25) is over.
    """

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"The feed speaks HTTP, not {scope['type']}.")
        if scope["method"] != "GET":
            await _answer_error(send, InvalidRequest("The feed answers GET only."), status=405)
            return
        try:
            header = _get_authorization(scope)
            after, wait_seconds = _parse_query(scope["query_string"])
            with bind(AuditContext(request=ASGIRequest(scope, BytesIO()))):
                await sync_to_async(_authenticate, thread_sensitive=False)(header)
            page = await _poll(signal, receive, after, wait_seconds)
        except OAuthError as error:
            logger.info("GET %s refused: %s %s", scope["path"], error.code, error.detail)
            await _answer_error(send, error, status=error.status)
        except _ClientLeft:
            return
        else:
            await _answer(send, 200, page.as_document(), {})

    return application


async def _poll(
    signal: ChangeSignal, receive: Receive, after: int | None, wait_seconds: float
) -> RevocationPage:
    deadline = time.monotonic() + wait_seconds
    departure = asyncio.ensure_future(_wait_for_departure(receive))
    try:
        while True:
            mark = signal.mark()
            page = await sync_to_async(_read_page, thread_sensitive=False)(after)
            remaining = deadline - time.monotonic()
            if after is None or page.digests or page.reset or remaining <= 0:
                return page
            await _wait_for_change(signal, mark, remaining, departure)
    finally:
        await _cancel(departure)


async def _wait_for_change(
    signal: ChangeSignal, mark: int, seconds: float, departure: asyncio.Future[None]
) -> None:
    """Return when there may be news or the time is over. Raises _ClientLeft."""
    change = asyncio.ensure_future(signal.wait(mark, seconds))
    try:
        await asyncio.wait((change, departure), return_when=asyncio.FIRST_COMPLETED)
        if departure.done():
            raise _ClientLeft
        change.result()  # a failure of the signal is not news
    finally:
        await _cancel(change)


async def _wait_for_departure(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _cancel(future: asyncio.Future[None]) -> None:
    """End `future` and wait until it has ended."""
    future.cancel()
    await asyncio.wait((future,))
    if not future.cancelled():
        future.exception()  # retrieved, so that asyncio does not report it as forgotten


def _authenticate(header: str | None) -> Client:
    """Return the gateway behind `header`; runs two statements, then releases the connection."""
    try:
        presented = client_authentication.parse_credentials(header, {})
        client = client_authentication.get_authenticated_client(presented)
        if not may_read_revocations(client_id=client.pk):
            raise UnauthorizedClient(
                "The feed is for clients that introspect a protected resource.",
                detail=f"client {client.client_id}",
            )
        return client
    finally:
        connection.close()


def _read_page(after: int | None) -> RevocationPage:
    # Closed after every read: with a pool that hands the connection back, and no thread keeps one
    # while its gateway waits.
    try:
        return get_revocations(after=after)
    finally:
        connection.close()


def _get_authorization(scope: Scope) -> str | None:
    values = [value for name, value in scope["headers"] if name.lower() == b"authorization"]
    if len(values) > 1:
        raise InvalidClient("Authorization: send it once.")
    return values[0].decode("latin-1") if values else None


def _parse_query(query_string: bytes) -> tuple[int | None, float]:
    try:
        query = parse_qs(query_string.decode("ascii"), keep_blank_values=True, max_num_fields=8)
    except ValueError as error:
        raise InvalidRequest("The query string is malformed.") from error
    after = _parse_number(query, "after", _LARGEST_CURSOR)
    wait = _parse_number(query, "wait", _LARGEST_CURSOR) or 0
    return after, min(wait, LONGEST_WAIT_SECONDS)


def _parse_number(query: dict[str, list[str]], name: str, largest: int) -> int | None:
    values = query.get(name)
    if values is None:
        return None
    text = values[0]
    # `isdecimal` alone would take digits of other scripts; the length is checked before `int` is.
    is_number = len(values) == 1 and text.isascii() and text.isdecimal() and len(text) <= 19
    if not is_number or int(text) > largest:
        raise InvalidRequest(f"{name}: a non-negative integer is expected, once.")
    return int(text)


async def _answer_error(send: Send, error: OAuthError, *, status: int) -> None:
    headers = {"Allow": "GET"} if status == 405 else {}
    if isinstance(error, Throttled):
        headers["Retry-After"] = str(error.retry_after_seconds)
    challenge = build_challenge(error)
    if challenge:
        headers["WWW-Authenticate"] = challenge
    await _answer(send, status, error.as_document(), headers)


async def _answer(
    send: Send, status: int, document: dict[str, Any], headers: dict[str, str]
) -> None:
    body = json.dumps(document, separators=(",", ":")).encode()
    fields = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
        **headers,
    }
    encoded = [(name.lower().encode(), value.encode("latin-1")) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
