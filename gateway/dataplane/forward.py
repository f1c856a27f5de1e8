"""Send the call to its upstream and the answer back, both ways as they come.

A small answer that is here as a whole leaves at once; a long one is handed on piece by piece, each
waiting for the one before (back-pressure), and a client that goes away ends it.
"""

import asyncio
import time
from collections.abc import Awaitable
from typing import Final

from gateway.dataplane import headers
from gateway.dataplane.call import Call
from gateway.dataplane.cors import without_upstream_policy
from gateway.dataplane.decision import Decision
from gateway.dataplane.errors import (
    BadGateway,
    BadRequest,
    GatewayTimeout,
    IncompleteBody,
    NoTarget,
    Refusal,
)
from gateway.dataplane.plane import Plane
from gateway.dataplane.request_body import may_have_body, open_body
from gateway.upstream import errors as upstream_errors
from gateway.upstream.client import UpstreamResponse
from gateway.usage.segment import BY_GATEWAY, BY_UPSTREAM

_METHODS: Final = {
    name: name.encode() for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
}
_TIMEOUTS: Final = (
    upstream_errors.ConnectTimedOut,
    upstream_errors.PoolTimedOut,
    upstream_errors.FirstByteTimedOut,
    upstream_errors.IdleTimedOut,
)
FAILURES: Final = (
    upstream_errors.UpstreamError,
    upstream_errors.RequestBodyMismatch,
    ValueError,  # a header that cannot be written
)
# Less is taken at once of a connection whose client has read all before: Linux has 87,040 bytes.
_LAST_APART_BYTES: Final = 64 * 1024
_SERVER: Final = (b"server", b"tollgate")
_FORWARDED_HTTPS: Final = (b"x-forwarded-proto", b"https")
_FORWARDED_HTTP: Final = (b"x-forwarded-proto", b"http")
_PLAIN_CONNECTION: Final = frozenset({b"keep-alive", b"close"})


async def exchange_in_time(plane: Plane, call: Call, seconds: float) -> None:
    """Do as `exchange`, within `seconds` since the call came."""
    left = call.started + seconds - time.monotonic()
    try:
        async with asyncio.timeout(left):
            await exchange(plane, call)
    except TimeoutError as error:
        # Where the answer has begun it is cut; where not, this is the answer.
        plane.counters.add("upstream_errors")
        raise GatewayTimeout("The call took longer than this API lets one take.") from error


async def exchange(plane: Plane, call: Call) -> None:
    """Answer the call with what its upstream says. Raises Refusal while nothing is sent yet."""
    decision, route = call.decision, call.route
    assert decision is not None  # noqa: S101 - the stages before made both
    assert route is not None  # noqa: S101
    limit = route.api.max_body_bytes
    body = await open_body(call, limit) if may_have_body(call) else b""
    call.is_waiting = True
    asked_at = time.monotonic() if plane.keeps_times else 0.0
    try:
        response = await decision.client.send(
            _METHODS.get(call.method) or call.method.encode("ascii"),
            target_of(call, decision, route.strip),
            request_fields(call),
            body,
        )
    except FAILURES as error:
        plane.counters.add("upstream_errors")
        raise as_refusal(error) from error
    finally:
        call.is_waiting = False
        if asked_at:
            extras = call.note()
            extras.upstream_from, extras.upstream_until = asked_at, time.monotonic()
    waiting = pass_on(plane, call, response)
    if waiting is not None:
        await waiting


def pass_on(plane: Plane, call: Call, response: UpstreamResponse) -> Awaitable[None] | None:
    """Answer the call with `response`; wait for what is returned."""
    if response.body is None:
        return _stream(plane, call, response)
    return _send_whole(call, response, response.body)


def target_of(call: Call, decision: Decision, strip: int) -> bytes:
    """Return the upstream's target: the same bytes below the API's base path, query and all."""
    path = call.raw_path[strip:] or b"/"
    query = call.inbound.query
    if query:
        return b"%b%b?%b" % (decision.path_prefix, path, query)
    return decision.path_prefix + path


def request_fields(call: Call) -> headers.Headers:
    fields = call.fields
    fields += (
        (b"authorization", call.phantom.authorization),
        (b"x-forwarded-for", call.client_address.encode() or b"unknown"),
        _FORWARDED_HTTPS if call.scheme == "https" else _FORWARDED_HTTP,
        (b"x-forwarded-host", call.forwarded_host or call.host),
        (b"x-request-id", call.request_id),
    )
    return fields


def answer_fields(call: Call) -> headers.Headers:
    """Return the fields that every answer has."""
    fields = [_SERVER, (b"x-request-id", call.request_id)]
    if call.allowance is not None:
        fields += call.allowance.fields(call.started)
    if call.extras is not None:
        fields += call.extras.answer_fields
    return fields


def response_fields(call: Call, response: UpstreamResponse) -> tuple[headers.Headers, bytes]:
    """Return the fields for the client, and the upstream's Content-Length."""
    fields = answer_fields(call)
    ours = len(fields)
    length = connection = b""
    keep = fields.append
    verdict_on = headers.response_verdicts.get
    for field in response.headers:
        name = field[0]
        verdict = verdict_on(name)
        if verdict is None:
            verdict = headers.judge_response_name(name)
        if not verdict:  # FORWARD: a comparison would cost a look-up for each field
            keep(field)
        elif verdict == headers.LENGTH:
            length = field[1]
        elif verdict == headers.CONNECTION:
            connection = field[1]
    if call.extras is not None and call.decision is not None and call.decision.cors is not None:
        fields = without_upstream_policy(fields, ours)
    if connection and connection.lower() not in _PLAIN_CONNECTION:
        fields = headers.without_connection_named(fields, connection)
    return fields, length


def _send_whole(call: Call, response: UpstreamResponse, body: bytes) -> Awaitable[None] | None:
    fields, length = response_fields(call, response)
    call.status = response.status
    call.cause = BY_UPSTREAM
    call.response_bytes = len(body)
    if len(body) > _LAST_APART_BYTES:
        call.inbound.begin(response.status, fields, length=len(body))
        return _send_last(call, body)
    length_of_head = int(length) if length and call.method == "HEAD" else -1
    return call.inbound.answer(response.status, fields, body, length=length_of_head)


async def _stream(plane: Plane, call: Call, response: UpstreamResponse) -> None:
    fields, length = response_fields(call, response)
    announced = int(length) if length else -1
    call.status = response.status
    call.cause = BY_UPSTREAM
    call.response = response
    try:
        if not call.client_gone:
            call.inbound.begin(response.status, fields, length=announced)
            await _send_pieces(call, response, announced)
    except upstream_errors.UpstreamError:
        # Begun already: the front cuts the connection, so the client sees that it is not whole.
        if not call.client_gone:
            call.cause = BY_GATEWAY
            plane.counters.add("upstream_errors")
    finally:
        response.abort()


async def _send_pieces(call: Call, response: UpstreamResponse, length: int) -> None:
    write = call.inbound.write
    while piece := await response.read():
        call.response_bytes += len(piece)
        if call.response_bytes == length:
            break
        waiting = write(piece)
        if waiting is not None:
            await waiting
    await _send_last(call, piece)


async def _send_last(call: Call, piece: bytes) -> None:
    """Send the last piece; of a long one the last byte when the others have left the process.

    With its last byte a call is counted, and a long piece may wait here for a slow client.
    """
    inbound = call.inbound
    if len(piece) > _LAST_APART_BYTES:
        waiting = inbound.write(piece[:-1])
        if waiting is not None:
            await waiting
        piece = piece[-1:]
    waiting = inbound.finish(piece)
    if waiting is not None:
        await waiting


def as_refusal(error: Exception) -> Refusal:
    if isinstance(error, _TIMEOUTS):
        return GatewayTimeout("The API behind the gateway did not answer in time.")
    if isinstance(error, upstream_errors.NoTargetLeft):
        return NoTarget(
            "All servers of the API behind the gateway are out of service.",
            error.retry_after_seconds,
        )
    if isinstance(error, upstream_errors.UpstreamError):
        return BadGateway("The API behind the gateway could not be reached, or answered nonsense.")
    if isinstance(error, upstream_errors.RequestBodyMismatch):
        return IncompleteBody("The body is not as long as Content-Length says.")
    return BadRequest("A header field holds a byte that is not allowed.")
