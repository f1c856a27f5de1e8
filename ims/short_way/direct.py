"""A short way to the endpoints that machines call all day: tokens and introspection.

Django's middleware is for pages: sessions, messages, a new thread for each request. A plain form
POST goes straight to the same view, on a thread that keeps its database connection. Whatever else
comes to these addresses takes the long way, and both answer alike.
"""

import io
import select
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import lru_cache
from typing import Any, Final, cast

from csp.middleware import CSPMiddleware
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.exception import convert_exception_to_response
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.http import HttpRequest, HttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.security import SecurityMiddleware
from django.urls import resolve

from ims.audit.context import AuditContext, bind
from ims.short_way.answer import Answer
from ims.short_way.door import Door
from ims.short_way.serving_threads import ServingThreads

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = tuple[tuple[bytes, bytes], ...]

# Each waits for the database more than it computes, and keeps one connection of the pool.
_THREADS: Final = 8
_LARGEST_BODY: Final = 64 * 1024
_FORM: Final = b"application/x-www-form-urlencoded"
# They set what every answer of ours carries, whatever it says.
_HEADERS_OF_ALL: Final = (SecurityMiddleware, CSPMiddleware, XFrameOptionsMiddleware)


def build_applications(
    *paths: str, otherwise: Application, door: Door | None = None
) -> dict[str, Application]:
    """Return the ASGI application of the endpoint at each of `paths`; they share their threads.

    `door` is asked first; `otherwise` serves what is no form POST of ordinary size.
    """
    threads = ServingThreads(_serve, count=_THREADS, name="endpoint")
    return {path: _build_application(path, threads, otherwise, door) for path in paths}


def _build_application(
    path: str,
    threads: ServingThreads[HttpRequest, HttpResponse],
    otherwise: Application,
    door: Door | None,
) -> Application:
    match = resolve(path)
    match.func = convert_exception_to_response(match.func)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        if not _is_plain(scope, headers):
            await otherwise(scope, receive, send)
            return
        body = await _read_body(receive)
        if body is None:
            return
        answer = await door.answer(scope, headers, body) if door else None
        if answer is not None:
            forwarded = headers.get(b"x-forwarded-proto", b"")
            await _send(send, answer, is_secure=_is_secure(scope["scheme"], forwarded))
            return
        request = ASGIRequest(scope, io.BytesIO(body))
        request.resolver_match = match
        response = await threads.ask(request)
        await _send(send, _read_answer(response), is_secure=request.is_secure())

    return application


def _serve(request: HttpRequest) -> HttpResponse:
    """Return what the view answers; runs on one of the threads."""
    for connection in connections.all(initialized_only=True):
        if _is_cut(connection):
            connection.close()  # to the pool, which looks at it before it lends it again
    with bind(AuditContext(request=request)):
        response = request.resolver_match.func(request)  # type: ignore[union-attr]  # set above
    for connection in connections.all(initialized_only=True):
        if connection.errors_occurred:
            connection.close_if_unusable_or_obsolete()
    return cast("HttpResponse", response)


def _is_cut(connection: BaseDatabaseWrapper) -> bool:
    """Whether PostgreSQL has hung up on a connection that was kept: an idle one says nothing else.

    Asking the kernel costs a call of about 1 µs, where a statement would cost a round trip.
    """
    kept = connection.connection
    if kept is None:
        return False
    if kept.closed:
        return True
    waiting = select.poll()
    waiting.register(kept.fileno(), select.POLLIN)
    return bool(waiting.poll(0))


def _is_plain(scope: Scope, headers: Mapping[bytes, bytes]) -> bool:
    """Whether this is a POST for us, of a form of known and small length, without a query."""
    if scope["method"] != "POST" or scope["query_string"]:
        return False
    length = headers.get(b"content-length", b"")
    return (
        headers.get(b"content-type") == _FORM
        and length.isdigit()
        and len(length) <= len(str(_LARGEST_BODY))
        and int(length) <= _LARGEST_BODY
        and _is_our_host(headers.get(b"host", b""))
    )


@lru_cache(maxsize=64)  # callers know few names of ours; a stranger's names push out one another
def _is_our_host(host: bytes) -> bool:
    request = HttpRequest()
    request.META["HTTP_HOST"] = host.decode("latin-1")
    try:
        request.get_host()
    except DisallowedHost:
        return False
    return True


async def _read_body(receive: Receive) -> bytes | None:
    """Return the body, or None when the client left before its end."""
    message = await receive()
    body: bytes = message.get("body", b"")
    while message["type"] == "http.request" and message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    return body if message["type"] == "http.request" else None


def _read_answer(response: HttpResponse) -> Answer:
    names = ((name.encode("ascii"), value.encode("latin-1")) for name, value in response.items())
    return Answer(response.status_code, tuple(names), response.content)


async def _send(send: Send, answer: Answer, *, is_secure: bool) -> None:
    headers = [
        *answer.headers,
        *_list_headers_of_all(is_secure=is_secure),
        (b"Content-Length", b"%d" % len(answer.body)),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


@lru_cache(maxsize=2)
def _list_headers_of_all(*, is_secure: bool) -> Headers:
    response = HttpResponse()
    del response["Content-Type"]
    for middleware in _HEADERS_OF_ALL:
        middleware(lambda _: response)(_stand_in("https" if is_secure else "http"))
    return tuple((name.encode("ascii"), value.encode()) for name, value in response.items())


@lru_cache(maxsize=64)
def _is_secure(scheme: str, forwarded_proto: bytes) -> bool:
    """Whether the caller came by TLS, as Django sees it."""
    return _stand_in(scheme, (b"x-forwarded-proto", forwarded_proto)).is_secure()


def _stand_in(scheme: str, *headers: tuple[bytes, bytes]) -> ASGIRequest:
    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b""}
    return ASGIRequest(scope | {"scheme": scheme, "headers": headers}, io.BytesIO())
