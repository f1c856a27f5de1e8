"""The ASGI application: finds the operation, checks the token, runs it."""

import os
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

from demo import orders
from demo.access_token import AccessTokenVerifier, InvalidToken, IssuerUnavailable
from demo.http import Exchange, Receive, Send

Operation = Callable[[Exchange], Awaitable[None]]

_ROUTES: Final[tuple[tuple[str, str, Operation], ...]] = (
    ("GET", r"/orders", orders.list_orders),
    ("POST", r"/orders", orders.create_order),
    ("GET", r"/orders/(?P<order_id>[^/]+)", orders.get_order),
    ("GET", r"/orders/(?P<order_id>[^/]+)/events", orders.order_events),
    ("POST", r"/echo", orders.echo),
    ("GET", r"/slow", orders.slow),
    ("GET", r"/status/(?P<code>[^/]+)", orders.status),
)
_BEARER: Final = re.compile(r"bearer +([A-Za-z0-9\-._~+/]+=*)", re.IGNORECASE)


class OrdersAPI:
    """Every operation asks for a JWT that the issuer made for this API."""

    def __init__(self, verifier: AccessTokenVerifier) -> None:
        self._verifier = verifier

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "http":
            await self._handle(Exchange(scope, receive, send))

    async def _handle(self, exchange: Exchange) -> None:
        path = exchange.scope["path"]
        if path == "/-/healthz":
            await exchange.answer(200, {"status": "ok"})
            return
        if not await self._is_authorised(exchange):
            return
        operation, allowed = _find_operation(exchange, path)
        if operation is not None:
            await operation(exchange)
        elif allowed:
            allow = (b"allow", ", ".join(allowed).encode())
            await exchange.refuse(405, "Method Not Allowed", headers=[allow])
        else:
            await exchange.refuse(404, "Not Found", "There is no such operation.")

    async def _is_authorised(self, exchange: Exchange) -> bool:
        match = _BEARER.fullmatch(exchange.header(b"authorization") or "")
        if match is None:
            # RFC 6750 §3.1: no error code where no token was given.
            await _challenge(exchange, 'Bearer realm="orders"', "A bearer token is needed.")
            return False
        try:
            exchange.claims = await self._verifier.verify(match[1])
        except InvalidToken as error:
            challenge = 'Bearer realm="orders", error="invalid_token"'
            await _challenge(exchange, challenge, str(error))
            return False
        except IssuerUnavailable as error:
            await exchange.refuse(503, "Service Unavailable", str(error), [(b"retry-after", b"5")])
            return False
        return True


def _find_operation(exchange: Exchange, path: str) -> tuple[Operation | None, list[str]]:
    allowed = []
    wanted = exchange.scope["method"]
    if wanted == "HEAD":
        wanted = "GET"  # without its body, which the server leaves out
    for method, pattern, operation in _ROUTES:
        match = re.fullmatch(pattern, path)
        if match is not None and method == wanted:
            exchange.parameters = match.groupdict()
            return operation, []
        if match is not None:
            allowed.append(method)
    return None, allowed


async def _challenge(exchange: Exchange, challenge: str, detail: str) -> None:
    header = (b"www-authenticate", challenge.encode())
    await exchange.refuse(401, "Unauthorized", detail, [header])


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def make_app() -> OrdersAPI:
    """Return the application that the environment describes."""
    return OrdersAPI(
        AccessTokenVerifier(
            os.environ.get("TOLLGATE_DEMO_ISSUER", "http://localhost:8000"),
            os.environ.get("TOLLGATE_DEMO_AUDIENCE", "").split(),
        )
    )


app = make_app()
