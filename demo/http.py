"""Just enough ASGI for the demo: a request, and the ways to answer it."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]


class BodyTooLarge(Exception):
    """The request body is above what the demo keeps in memory."""


@dataclass(slots=True)
class Exchange:
    """A request and the way to answer it."""

    scope: dict[str, Any]
    receive: Receive
    send: Send
    parameters: dict[str, str] = field(default_factory=dict)  # of the path
    claims: dict[str, Any] = field(default_factory=dict)

    def header(self, name: bytes) -> str | None:
        """Return the only value of a header, or None when it is absent or given twice."""
        values = [value for key, value in self.scope["headers"] if key.lower() == name]
        return values[0].decode("latin-1") if len(values) == 1 else None

    def received(self) -> dict[str, Any]:
        """Return what the API saw of the request, without the token."""
        headers: dict[str, str] = {}
        for raw_name, raw_value in self.scope["headers"]:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            if name == "authorization":
                scheme, _, token = value.partition(" ")
                value = f"{scheme} ({'a JWT' if token.count('.') == 2 else 'not a JWT'})"
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return {
            "method": self.scope["method"],
            "path": self.scope["raw_path"].decode("latin-1"),
            "query": self.scope["query_string"].decode("latin-1"),
            "headers": headers,
            "claims": self.claims,
        }

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the request body as it arrives; ends early when the client goes away."""
        is_more = True
        while is_more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                return
            yield message.get("body", b"")
            is_more = message.get("more_body", False)

    async def whole_body(self, limit: int) -> bytes:
        """Return the request body. Raises BodyTooLarge above `limit` bytes."""
        data = b""
        async for chunk in self.body():
            data += chunk
            if len(data) > limit:
                raise BodyTooLarge
        return data

    async def answer(self, status: int, document: object, headers: Headers = ()) -> None:
        """Send `document` as JSON, with what was received when it is an object of ours."""
        is_problem = status >= 400
        content_type = b"application/problem+json" if is_problem else b"application/json"
        data = json.dumps(document, ensure_ascii=False).encode()
        await self.start(
            status,
            [
                (b"content-type", content_type),
                (b"content-length", b"%d" % len(data)),
                (b"cache-control", b"no-store"),
                *headers,
            ],
        )
        await self.write(data, is_more=False)

    async def refuse(
        self, status: int, title: str, detail: str = "", headers: Headers = ()
    ) -> None:
        """Send an RFC 9457 problem document."""
        problem = {"type": "about:blank", "title": title, "status": status, "detail": detail}
        await self.answer(status, {k: v for k, v in problem.items() if v}, headers)

    async def start(self, status: int, headers: Headers) -> None:
        """Send the head of the response."""
        await self.send({"type": "http.response.start", "status": status, "headers": list(headers)})

    async def write(self, data: bytes, *, is_more: bool = True) -> None:
        """Send a piece of the response body."""
        await self.send({"type": "http.response.body", "body": data, "more_body": is_more})

    async def wait_for_disconnect(self) -> None:
        """Return when the client is gone."""
        is_here = True
        while is_here:
            is_here = (await self.receive())["type"] != "http.disconnect"
