"""The stages of a call, each a plain function.

A stage returns None, or an awaitable when it has to wait for somebody; it refuses by raising a
Refusal. Which stage comes when is the business of `pipeline`.
"""

import hashlib
import re
import time
from collections.abc import Awaitable
from typing import Final

from gateway.dataplane import bearer_token, headers, hygiene, websocket
from gateway.dataplane.call import Call
from gateway.dataplane.decision import decide
from gateway.dataplane.errors import (
    BadRequest,
    ContentTooLarge,
    HeadersTooLarge,
    InvalidToken,
    InvalidTokenRequest,
    MisdirectedRequest,
    NotFound,
    NotReady,
    OptionsAnswered,
)
from gateway.dataplane.foreign_tokens import is_jwt
from gateway.dataplane.forward import exchange, exchange_in_time
from gateway.dataplane.leases import ADMITTED, ASK
from gateway.dataplane.plane import Plane
from gateway.dataplane.routing import allow_field

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._\-]{8,64}")
_DIGITS: Final = re.compile(rb"[0-9]{1,18}")
_PERCENT: Final = 0x25
_MAX_REMEMBERED_HOSTS: Final = 256
_NO_ENCODED_SLASH: Final = "This API does not take an encoded slash (%2F) in its paths."


def read_head(plane: Plane, call: Call) -> None:
    """Look at each header once: what may be forwarded, and what the next stages need."""
    fields = call.fields
    keep = fields.append
    verdict_on = headers.request_verdicts.get
    if plane.has_hops and plane.hops.trusts(call.inbound.peer):
        plane.hops.read(call, plane.hosts)
    noted = []
    size = 0
    for field in call.inbound.headers:
        name, value = field
        size += len(name) + len(value)
        verdict = verdict_on(name)
        if verdict is None:
            verdict = headers.judge_request_name(name)
        if verdict == headers.FORWARD:
            keep(field)
        elif verdict == headers.NOTED:
            noted.append(field)
    if size > headers.MAX_HEADER_BYTES:
        raise HeadersTooLarge(f"Header fields may have {headers.MAX_HEADER_BYTES} bytes together.")
    _take_notes(call, noted)
    if not call.request_id:
        call.request_id = plane.next_request_id()


def _take_notes(call: Call, noted: list[tuple[bytes, bytes]]) -> None:
    for name, value in noted:
        _NOTE[name](call, value)
    if call.chunked and call.content_length is not None:
        raise BadRequest("A request has Content-Length or Transfer-Encoding, never both.")
    if call.chunked or call.content_length:
        call.has_read_body = False


def check_target(plane: Plane, call: Call) -> None:
    """Refuse methods, paths, queries and hosts that are ambiguous or not ours."""
    if call.method not in hygiene.METHODS:
        hygiene.check_method(call.method)
    hygiene.check_path(call.raw_path)
    query = call.inbound.query
    if query:
        hygiene.check_query(query)
    if call.host not in plane.good_hosts:
        _check_host(plane, call.host)


def find_route(plane: Plane, call: Call) -> None:
    """Name the operation.

    Answered here: OPTIONS, which is never forwarded without a token, and what the APIs say of
    themselves (RFC 9728), asked for only where no operation is, so that it costs calls nothing.
    """
    configuration = plane.configuration
    if configuration is None:
        raise NotReady("The gateway has just started and has no configuration yet.", 1)
    call.configuration = configuration
    router = configuration.router
    has_encoded_slash = _PERCENT in call.raw_path and hygiene.has_encoded_slash(call.raw_path)
    if has_encoded_slash and not router.may_hold_encoded_slash(call.raw_path):
        raise BadRequest(_NO_ENCODED_SLASH)
    try:
        if call.method == "OPTIONS":
            raise _answer_options(call)
        route = call.route = router.match(call.method, call.raw_path)
    except NotFound:
        answer = configuration.access.metadata.answer(call.method, call.raw_path)
        if answer is None:
            raise
        raise answer from None
    if has_encoded_slash and not route.api.allow_encoded_slash:
        raise BadRequest(_NO_ENCODED_SLASH)


def read_bearer(plane: Plane, call: Call) -> None:
    """Find the one token. From here on it is known by its digest."""
    del plane
    call.token = bearer_token.read_token(call)
    call.digest = hashlib.sha256(call.token).digest()


def exchange_token(plane: Plane, call: Call) -> Awaitable[None] | None:
    """Get the JWT of the API that was asked for."""
    assert call.route is not None  # noqa: S101 - find_route came before
    phantom = plane.exchange.find(call.digest, call.route.api.resource, call.started)
    if phantom is None:
        return _obtain(plane, call)
    call.phantom = phantom
    plane.count_hit()
    if phantom.confirmation is not None or call.extras is not None:
        return check_possession(plane, call)
    return None


def check_possession(plane: Plane, call: Call) -> Awaitable[None] | None:
    """Ask for the key that the token is bound to, if it is."""
    if call.phantom.confirmation is None and (call.extras is None or not call.extras.is_dpop):
        return None
    is_trusted_hop = plane.has_hops and plane.hops.trusts(call.inbound.peer)
    possession = plane.exchange.possession
    if possession is None:
        raise InvalidToken("Tokens that are bound to a key are not taken here.")
    return possession.check(call, is_trusted_hop)


def authorise(plane: Plane, call: Call) -> None:
    """Check scopes and subscription. Policies will be decided here, too, and remembered."""
    del plane
    assert call.route is not None  # noqa: S101 - find_route came before
    decision = call.decision = decide(call.configuration, call.route, call.phantom)
    if decision.cors is not None:
        extras = call.note()
        extras.answer_fields += decision.cors.answer_fields(extras.origin)


def take_allowance(plane: Plane, call: Call) -> Awaitable[None] | None:
    """Count the call against the rate limits and quotas of its plan, all or none."""
    decision = call.decision
    assert decision is not None  # noqa: S101 - authorise came before
    allowance = decision.allowance
    if decision.addressed is not None:
        allowance = decision.addressed.of(call.client_address)
    if allowance is None:
        return None
    call.allowance = allowance
    outcome = allowance.take(call.started)
    if outcome == ADMITTED:
        return None
    if outcome == ASK:
        return _take_waiting(plane, call)
    plane.count_refused(allowance.is_quota_to_blame())
    raise allowance.refusal(call.started)


def check_body_length(plane: Plane, call: Call) -> None:
    """Refuse an announced body that is too large; others are counted while they stream."""
    del plane
    assert call.route is not None  # noqa: S101 - find_route came before
    if call.content_length is not None and call.content_length > call.route.api.max_body_bytes:
        raise ContentTooLarge(f"Bodies may have {call.route.api.max_body_bytes} bytes here.")


def forward(plane: Plane, call: Call) -> Awaitable[None]:
    """Answer the call with what its upstream says, or carry it as a WebSocket."""
    assert call.decision is not None  # noqa: S101 - authorise came before
    extras = call.extras
    if extras is not None and extras.wants_websocket and websocket.is_asked_for(call):
        return websocket.carry(plane, call)
    if call.decision.total_timeout_seconds:
        return exchange_in_time(plane, call, call.decision.total_timeout_seconds)
    return exchange(plane, call)


def _answer_options(call: Call) -> OptionsAnswered:
    """Return the answer to OPTIONS, or to the preflight of a page of another origin."""
    routes = call.configuration.router.routes_at(call.raw_path)
    allow = allow_field(routes)
    # Two APIs that meet in a path are rare; the one of the method that is asked about is meant.
    fields = call.inbound.headers
    asked = next((v for k, v in fields if k == b"access-control-request-method"), b"")
    route = routes.get(asked.decode("latin-1")) or next(iter(routes.values()))
    policy = call.configuration.access.cors.get(route.api.id)
    if policy is None:
        return OptionsAnswered(allow)
    return policy.preflight(allow, call.note().origin, fields)


async def _obtain(plane: Plane, call: Call) -> None:
    assert call.route is not None  # noqa: S101 - find_route came before
    issuers = call.configuration.access.issuers.get(call.route.api.id)
    plane.counters.add("token_cache_misses")
    resource = call.route.api.resource
    foreign = plane.exchange.foreign
    if issuers and foreign is not None and is_jwt(call.token):
        call.phantom = await foreign.obtain(call.token, call.digest, resource, issuers)
    else:
        bearer_token.check_token(call.token, any_format=plane.any_token_format)
        call.phantom = await plane.exchange.obtain(
            call.token, call.digest, resource, call.client_address
        )
    pending = check_possession(plane, call)
    if pending is not None:
        await pending


async def _take_waiting(plane: Plane, call: Call) -> None:
    allowance = call.allowance
    assert allowance is not None  # noqa: S101 - take_allowance asked it
    if await allowance.take_waiting(call.started) != ADMITTED:
        plane.count_refused(allowance.is_quota_to_blame())
        raise allowance.refusal(time.monotonic())


def _check_host(plane: Plane, host: bytes) -> None:
    if not host:
        raise BadRequest("The Host header is missing.")
    if not hygiene.is_one_of(host.decode("latin-1"), plane.hosts):
        raise MisdirectedRequest("The Host header does not name this gateway.")
    if len(plane.good_hosts) < _MAX_REMEMBERED_HOSTS:
        plane.good_hosts.add(host)


def _note_host(call: Call, value: bytes) -> None:
    if call.host:
        raise BadRequest("There is more than one Host header.")
    call.host = value


def _note_authorization(call: Call, value: bytes) -> None:
    if call.authorization is not None:
        raise InvalidTokenRequest("There is more than one Authorization header.")
    call.authorization = value


def _note_content_length(call: Call, value: bytes) -> None:
    if call.content_length is not None or not _DIGITS.fullmatch(value):
        raise BadRequest("Content-Length must be one decimal number.")
    call.content_length = int(value)


def _note_transfer_encoding(call: Call, value: bytes) -> None:
    if call.chunked or value.lower() != b"chunked":
        raise BadRequest("Transfer-Encoding must be exactly: chunked.")
    call.chunked = True


def _note_connection(call: Call, value: bytes) -> None:
    if value.lower() not in {b"keep-alive", b"close"}:
        call.fields = headers.without_connection_named(call.fields, value)


def _note_cookie(call: Call, value: bytes) -> None:
    # HTTP/2 may split it; HTTP/1.1 upstreams want one field (RFC 9113 §8.2.3).
    for at, (name, crumbs) in enumerate(call.fields):
        if name == b"cookie":
            call.fields[at] = (name, crumbs + b"; " + value)
            return
    call.fields.append((b"cookie", value))


def _note_dpop(call: Call, value: bytes) -> None:
    # RFC 9449 §4.3, step 1: one proof. What is joined here is none.
    extras = call.note()
    extras.dpop_proof = extras.dpop_proof + b"," + value if extras.dpop_proof else value


def _note_client_cert(call: Call, value: bytes) -> None:
    # RFC 9440 §2.2: one certificate. What is joined here is none.
    extras = call.note()
    joined = extras.client_certificate + b"," + value if extras.client_certificate else value
    extras.client_certificate = joined


def _note_origin(call: Call, value: bytes) -> None:
    extras = call.note()
    if extras.origin:
        raise BadRequest("There is more than one Origin header.")
    extras.origin = value
    call.fields.append((b"origin", value))


def _note_expect(call: Call, value: bytes) -> None:
    del call, value  # 100-continue is all there is, and the front says it


def _note_upgrade(call: Call, value: bytes) -> None:
    # Other protocols are not offered: h2c is a way to smuggle requests past a proxy.
    if value.lower() == b"websocket":
        call.note().wants_websocket = True


def _note_request_id(call: Call, value: bytes) -> None:
    if not call.request_id and _REQUEST_ID.fullmatch(value):
        call.request_id = value


_NOTE: Final = {
    b"host": _note_host,
    b"authorization": _note_authorization,
    b"client-cert": _note_client_cert,
    b"dpop": _note_dpop,
    b"origin": _note_origin,
    b"content-length": _note_content_length,
    b"transfer-encoding": _note_transfer_encoding,
    b"cookie": _note_cookie,
    b"connection": _note_connection,
    b"expect": _note_expect,
    b"upgrade": _note_upgrade,
    b"x-request-id": _note_request_id,
}
