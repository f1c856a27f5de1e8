"""WebSocket (RFC 6455): authenticated and authorised as any call, then carried until it ends.

One call for limits and usage, however many messages it has; its bytes are counted at its end. The
token is watched (`tunnels`): a socket lives no longer than a call with the same token would.
"""

import asyncio
import base64
import binascii
import hashlib
from typing import Final

from gateway.dataplane import ledger
from gateway.dataplane.call import Call
from gateway.dataplane.errors import (
    BadGateway,
    BadRequest,
    OriginNotAllowed,
    UpgradeRequired,
    WebSocketNotAllowed,
)
from gateway.dataplane.forward import (
    FAILURES,
    as_refusal,
    pass_on,
    request_fields,
    response_fields,
    target_of,
)
from gateway.dataplane.plane import Plane
from gateway.upstream import errors as upstream_errors
from gateway.upstream.client import UpstreamResponse
from gateway.upstream.handshake import SWITCHING_PROTOCOLS, Handshake
from gateway.upstream.websocket import Tunnel
from gateway.usage.segment import BY_UPSTREAM

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # §1.3
_KEY_BYTES: Final = 16
_VERSION: Final = b"13"


def is_asked_for(call: Call) -> bool:
    """Whether Upgrade is meant for us, and can be obeyed; else it is ignored (RFC 9110 §7.8)."""
    if not call.inbound.may_switch:
        return False
    lines = [value for name, value in call.inbound.headers if name == b"connection"]
    return b"upgrade" in {token.strip().lower() for token in b",".join(lines).split(b",")}


async def carry(plane: Plane, call: Call) -> None:
    """Answer a call that asks for a WebSocket. Raises Refusal while nothing is sent yet."""
    key = _check_handshake(call)
    decision, route = call.decision, call.route
    assert decision is not None  # noqa: S101 - the stages before made both
    assert route is not None  # noqa: S101
    call.is_waiting = True
    try:
        response, connection = await decision.client.open_websocket(
            target_of(call, decision, route.strip), request_fields(call)
        )
    except FAILURES as error:
        plane.counters.add("upstream_errors")
        raise as_refusal(error) from error
    finally:
        call.is_waiting = False
    if connection is None:
        waiting = pass_on(plane, call, response)
        if waiting is not None:
            await waiting
        return
    try:
        _check_acceptance(response, key)
        await _run_tunnel(plane, call, response, connection)
    except upstream_errors.UpstreamError as error:
        plane.counters.add("upstream_errors")
        raise BadGateway("The API behind the gateway does not speak WebSocket.") from error
    finally:
        connection.abort()


async def _run_tunnel(
    plane: Plane, call: Call, response: UpstreamResponse, connection: Handshake
) -> None:
    """Let both sides talk until one is gone; then the call is over."""
    assert call.route is not None  # noqa: S101 - find_route came before
    tunnel = Tunnel(asyncio.get_running_loop(), idle_seconds=call.route.api.websocket_idle_seconds)
    connection.hand_over(tunnel.upstream)
    fields, _ = response_fields(call, response)
    call.status = SWITCHING_PROTOCOLS
    call.cause = BY_UPSTREAM
    call.inbound.switch(fields, tunnel.client)
    try:
        tunnel.begin()
        with plane.tunnels.watch(call, tunnel):
            await tunnel.ended
    finally:
        tunnel.client.abort()
        tunnel.upstream.abort()
        call.request_bytes += tunnel.request_bytes
        call.response_bytes += tunnel.response_bytes
        ledger.close(plane, call)


def check_offer(call: Call) -> None:
    """Raise WebSocketNotAllowed or OriginNotAllowed where the API offers none to this client."""
    assert call.route is not None  # noqa: S101 - find_route came before
    api = call.route.api
    if not api.allow_websocket:
        raise WebSocketNotAllowed(f"{api.name} offers no WebSocket: call it without Upgrade.")
    if api.websocket_origins:
        _check_origin(call, api.websocket_origins)


def _check_handshake(call: Call) -> bytes:
    """Return the key (§4.2.1). Raises a Refusal."""
    check_offer(call)
    if call.method != "GET" or call.chunked or call.content_length:
        raise BadRequest("A WebSocket handshake is a GET without a body (RFC 6455 §4.1).")
    if _only(call, b"sec-websocket-version") != _VERSION:
        raise UpgradeRequired("Sec-WebSocket-Version must be 13.")
    key = _only(call, b"sec-websocket-key")
    try:
        nonce = base64.b64decode(key, validate=True)
    except binascii.Error:
        nonce = b""
    if len(nonce) != _KEY_BYTES:
        raise BadRequest("Sec-WebSocket-Key must be 16 bytes in base64, once (RFC 6455 §4.1).")
    return key


def _check_origin(call: Call, allowed: tuple[str, ...]) -> None:
    """Refuse pages of other origins. Who is no browser sends none: the token is what counts."""
    origins = [value for name, value in call.inbound.headers if name == b"origin"]
    if any(origin.decode("latin-1") not in allowed for origin in origins):
        raise OriginNotAllowed("Pages of this origin may not open a WebSocket to this API.")


def _check_acceptance(response: UpstreamResponse, key: bytes) -> None:
    """Raise ProtocolViolation unless the upstream has read our handshake (§4.2.2)."""
    digest = hashlib.sha1(key + _GUID, usedforsecurity=False).digest()
    accepted = [v for name, v in response.headers if name.lower() == b"sec-websocket-accept"]
    if accepted != [base64.b64encode(digest)]:
        raise upstream_errors.ProtocolViolation("Sec-WebSocket-Accept does not fit the key.")


def _only(call: Call, name: bytes) -> bytes:
    """Return the value of a field that comes once, else nothing."""
    values = [value for key, value in call.inbound.headers if key == name]
    return values[0] if len(values) == 1 else b""
