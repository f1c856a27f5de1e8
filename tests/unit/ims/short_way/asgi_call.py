"""Calls of the ASGI applications at the token service's busiest addresses."""

import asyncio
from urllib.parse import urlencode

FORM = b"application/x-www-form-urlencoded"


async def connect(pipeline, count=2):
    """Start `pipeline`; return when it has `count` connections."""
    pipeline.start()
    async with asyncio.timeout(30):
        while sum(not one._is_over for one in pipeline._live) < count:  # noqa: ASYNC110 - it tells nobody, and need not
            await asyncio.sleep(0.01)


async def call(application, path, form, headers=(), raw_headers=None, **changes):
    """Return the status, the headers by lower-case name, and the body."""
    body = urlencode(form, doseq=True).encode()
    given = {
        b"host": b"localhost",
        b"content-type": FORM,
        b"content-length": str(len(body)).encode(),
        **{name.lower().encode(): value.encode() for name, value in dict(headers).items()},
    }
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "scheme": "http",
        "http_version": "1.1",
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 80),
        "headers": raw_headers or list(given.items()),
    } | changes
    received, sent = asyncio.Queue(), []
    half = len(body) // 2
    received.put_nowait({"type": "http.request", "body": body[:half], "more_body": True})
    received.put_nowait({"type": "http.request", "body": body[half:], "more_body": False})

    async def send(message):
        sent.append(message)

    await application(scope, received.get, send)
    [start, *parts] = sent
    names = {name.decode().lower(): value.decode() for name, value in start["headers"]}
    assert len(names) == len(start["headers"]), "a header is sent twice"
    return start["status"], names, b"".join(part.get("body", b"") for part in parts)
