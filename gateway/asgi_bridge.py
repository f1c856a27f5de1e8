"""Requests of the front in the shape of ASGI, which the pipeline reads."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from gateway.dataplane.call import Receive, Scope, Send
from gateway.dataplane.errors import IncompleteBody
from gateway.front.http1_request import Http1Request
from gateway.front.http2_request import Http2Request


async def bridge(  # noqa: C901, PLR0915 - it goes when the pipeline reads requests itself
    serve: Callable[[Scope, Receive, Send], Awaitable[None]], request: Http1Request | Http2Request
) -> None:
    """Present a request in the shape of ASGI."""
    scope = {
        "type": "http",
        "http_version": request.http_version,
        "method": request.method,
        "scheme": request.scheme,
        "raw_path": request.raw_path,
        "query_string": request.query,
        "headers": request.headers,
        "client": (request.peer, 0) if request.peer else None,
    }
    pending: list[dict[str, Any]] = []
    is_read = False

    async def receive() -> dict[str, Any]:
        nonlocal is_read
        if is_read:
            await asyncio.shield(request.departure)
            return {"type": "http.disconnect"}
        try:
            chunk = await request.read()
        except IncompleteBody:
            return {"type": "http.disconnect"}
        is_read = not chunk
        return {"type": "http.request", "body": chunk, "more_body": bool(chunk)}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            pending.append(message)
            return
        body, more = message["body"], message.get("more_body", False)
        if pending:
            start = pending.pop()
            fields = start["headers"]
            own = dict(fields)
            closes = own.get(b"connection") == b"close"
            length = int(own.get(b"content-length", -1))
            fields = [f for f in fields if f[0] not in (b"connection", b"content-length")]
            if not more and (length < 0 or length == len(body) or request.method == "HEAD"):
                request.answer(start["status"], fields, body, length=length, closes=closes)
                return
            request.begin(start["status"], fields, length=length, closes=closes)
        if body:
            waiting = request.write(body)
            if waiting is not None:
                await waiting
        if not more:
            request.finish()

    await serve(scope, receive, send)
