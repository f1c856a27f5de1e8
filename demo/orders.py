"""The operations of the orders API. Orders live in memory, and only the newest hundred."""

import asyncio
import datetime as dt
import itertools
import json
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qs

from demo.http import BodyTooLarge, Exchange

_MAX_ORDERS: Final = 100
_LASTING_ORDERS: Final = 3
_MAX_ORDER_BYTES: Final = 16 * 1024
_MAX_QUANTITY: Final = 1000
_MAX_ITEM_LENGTH: Final = 100
_MAX_SECONDS: Final = 60.0
_MAX_EVENTS: Final = 1000
_STEPS: Final = ("placed", "paid", "packed", "shipped", "delivered")

_numbers = itertools.count(44)
_orders: dict[str, dict[str, Any]] = {
    "41": {"id": "41", "item": "Tea, Darjeeling", "quantity": 2, "status": "delivered"},
    "42": {"id": "42", "item": "Towel, large", "quantity": 1, "status": "shipped"},
    "43": {"id": "43", "item": "Fish, for the ear", "quantity": 3, "status": "placed"},
}


async def list_orders(exchange: Exchange) -> None:
    await exchange.answer(200, {"orders": list(_orders.values()), "received": exchange.received()})


async def get_order(exchange: Exchange) -> None:
    order = await _find_order(exchange)
    if order is not None:
        await exchange.answer(200, {"order": order, "received": exchange.received()})


async def create_order(exchange: Exchange) -> None:
    try:
        document = json.loads(await exchange.whole_body(_MAX_ORDER_BYTES))
        item, quantity = _parse_order(document)
    except BodyTooLarge:
        await exchange.refuse(413, "Content Too Large", "An order has at most 16 KiB.")
        return
    except ValueError as error:  # malformed JSON is one, too
        await exchange.refuse(400, "Bad Request", str(error))
        return
    number = str(next(_numbers))
    order = {"id": number, "item": item, "quantity": quantity, "status": "placed"}
    if len(_orders) >= _MAX_ORDERS:
        # The three that the documentation speaks of stay.
        del _orders[next(itertools.islice(_orders, _LASTING_ORDERS, None))]
    _orders[number] = order
    document = {"order": order, "received": exchange.received()}
    await exchange.answer(201, document, [(b"location", f"/orders/{number}".encode())])


async def order_events(exchange: Exchange) -> None:
    """Server-sent events: one per step of the order, then the stream ends."""
    order = await _find_order(exchange)
    if order is None:
        return
    interval = _number(exchange, "interval", 0.5, _MAX_SECONDS)
    count = int(_number(exchange, "count", len(_STEPS), _MAX_EVENTS))
    await exchange.start(
        200, [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]
    )
    gone = asyncio.ensure_future(exchange.wait_for_disconnect())
    try:
        for number in range(count):
            event = {
                "order_id": order["id"],
                "step": _STEPS[number % len(_STEPS)],
                "at": dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
            }
            text = f"id: {number}\nevent: step\ndata: {json.dumps(event)}\n\n"
            await exchange.write(text.encode())
            await asyncio.wait([gone], timeout=interval)
            if gone.done():
                return
        await exchange.write(b"", is_more=False)
    finally:
        gone.cancel()


async def echo(exchange: Exchange) -> None:
    """Send the body back piece by piece, beginning before it has ended."""
    headers = [(b"content-type", _content_type(exchange)), (b"cache-control", b"no-store")]
    length = exchange.header(b"content-length")
    if length is not None and length.isdigit():
        headers.append((b"content-length", length.encode()))
    await exchange.start(200, headers)
    async for chunk in exchange.body():
        await exchange.write(chunk)
    await exchange.write(b"", is_more=False)


async def slow(exchange: Exchange) -> None:
    seconds = _number(exchange, "seconds", 1.0, _MAX_SECONDS)
    await asyncio.sleep(seconds)
    await exchange.answer(200, {"slept_seconds": seconds, "received": exchange.received()})


async def status(exchange: Exchange) -> None:
    code = exchange.parameters["code"]
    if not (code.isascii() and code.isdigit() and 200 <= int(code) <= 599):
        await exchange.refuse(400, "Bad Request", "The code is a number from 200 to 599.")
    elif int(code) in (204, 205, 304):
        await exchange.start(int(code), [])
        await exchange.write(b"", is_more=False)
    else:
        title = _phrase(int(code))
        document = {"status": int(code), "title": title, "received": exchange.received()}
        await exchange.answer(int(code), document)


async def _find_order(exchange: Exchange) -> dict[str, Any] | None:
    order = _orders.get(exchange.parameters["order_id"])
    if order is None:
        await exchange.refuse(404, "Not Found", "There is no such order.")
    return order


def _parse_order(document: object) -> tuple[str, int]:
    members = document if isinstance(document, dict) else {}
    item, quantity = members.get("item"), members.get("quantity", 1)
    if not isinstance(item, str) or not 1 <= len(item) <= _MAX_ITEM_LENGTH:
        raise ValueError("item: a text of 1 to 100 characters is expected.")
    if type(quantity) is not int or not 1 <= quantity <= _MAX_QUANTITY:
        raise ValueError("quantity: a number from 1 to 1000 is expected.")
    return item, quantity


def _number(exchange: Exchange, name: str, default: float, highest: float) -> float:
    """Return a query parameter between 0 and `highest`; `default` when it is no such number."""
    text = parse_qs(exchange.scope["query_string"].decode("latin-1")).get(name, [""])[0]
    try:
        number = float(text)
    except ValueError:
        return default
    return min(max(number, 0.0), highest) if number == number else default  # noqa: PLR0124 - NaN


def _content_type(exchange: Exchange) -> bytes:
    return (exchange.header(b"content-type") or "application/octet-stream").encode("latin-1")


def _phrase(code: int) -> str:
    try:
        return HTTPStatus(code).phrase
    except ValueError:
        return "Unassigned"
