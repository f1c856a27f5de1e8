"""What happens to a call, in order. Read this file first.

| stage             | what it settles                                  | refuses with      |
|-------------------|--------------------------------------------------|-------------------|
| read_head         | headers once: which may pass, which are needed   | 400 431           |
| check_target      | method, path, query and host are unambiguous     | 400 414 421 501   |
| find_route        | the operation, on the bytes that are forwarded   | 400 404 405 503, 200 204 |
| read_bearer       | exactly one token, by its digest                 | 400 401           |
| exchange_token    | the JWT of this API, and the token's key if any  | 401 429 503       |
| authorise         | sign-in, scopes, subscription                    | 401 403           |
| (later) policies  | Cedar policies                                   |                   |
| (later) cached    | answer from the response cache                   |                   |
| take_allowance    | rate limit and quota of the plan                 | 429               |
| check_body_length | the announced length                             | 413               |
| (later) shape     | message shaping, upstream credentials            |                   |
| (later) choose    | circuit breaking, canaries                       |                   |
| forward           | send, stream back, (later) shape the answer      | 400 403 413 426 502-504 |

From `authorise` on the subscription is known, and the call is metered whatever becomes of it.
A stage returns None, or an awaitable where it must wait; the warm path waits for the upstream only.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final

from gateway.dataplane import ledger, stages
from gateway.dataplane.call import Call, Inbound
from gateway.dataplane.errors import Challenge, InternalError, Refusal, render
from gateway.dataplane.forward import answer_fields
from gateway.dataplane.plane import Plane
from gateway.usage.segment import BY_CLIENT, BY_GATEWAY

Stage = Callable[[Plane, Call], Awaitable[None] | None]

# All that is asked about a call; `forward_auth` ends here, and lets another proxy forward it.
CHECKS: Final[tuple[Stage, ...]] = (
    stages.read_head,
    stages.check_target,
    stages.find_route,
    stages.read_bearer,
    stages.exchange_token,
    stages.authorise,
    stages.take_allowance,
    stages.check_body_length,
)
STAGES: Final[tuple[Stage, ...]] = (*CHECKS, stages.forward)

_FIRST_ERROR: Final = 400
_CLIENT_CLOSED_REQUEST: Final = 499  # in counters and usage only: nobody is there to read it

_log = logging.getLogger(__name__)


async def serve_call(plane: Plane, inbound: Inbound, taken: tuple[Stage, ...] = STAGES) -> None:
    """Take one call through the stages and answer it."""
    call = inbound.call = Call(inbound, time.monotonic())
    plane.in_flight.add(call)
    call.task = asyncio.current_task()
    try:
        for stage in taken:
            pending = stage(plane, call)
            if pending is not None:
                await pending
    except Refusal as refusal:
        await _refuse(plane, call, refusal)
    except asyncio.CancelledError:
        if not call.client_gone:
            raise
    except Exception:  # noqa: BLE001 - a defect must end in an answer, and in the log
        await _refuse(plane, call, _note_defect(plane, call))
    finally:
        _leave(plane, call)
        inbound.close()


def _note_defect(plane: Plane, call: Call) -> Refusal:
    """Return an answer without detail; the log has the cause."""
    _log.exception("call %s failed inside the gateway", call.request_id.decode("ascii"))
    plane.counters.add("internal_errors")
    return InternalError("Try again; quote the instance when it persists.")


def _leave(plane: Plane, call: Call) -> None:
    """Close the call's account, and count the client that left."""
    call.status = call.status or _CLIENT_CLOSED_REQUEST
    ledger.close(plane, call)
    if call.client_gone:
        plane.counters.add("client_disconnects")


def _let_pages_read(plane: Plane, call: Call) -> None:
    """Let a page of another origin read why it was refused, as it could what it asked for."""
    configuration = plane.configuration
    if configuration is None or not configuration.access.cors_by_path:
        return
    if call.route is None:
        policy = configuration.access.policy_at(call.raw_path)
    else:
        policy = call.configuration.access.cors.get(call.route.api.id)
    if policy is not None:
        extras = call.note()
        extras.answer_fields += policy.answer_fields(extras.origin)


async def _refuse(plane: Plane, call: Call, refusal: Refusal) -> None:
    if call.status:
        # An answer has begun: the front cuts the connection, which the client notices.
        call.cause = BY_GATEWAY
        return
    if not call.request_id:
        call.request_id = plane.next_request_id()
    if isinstance(refusal, Challenge) and call.route is not None:
        refusal.name_resource(
            scope=call.route.scope_text,
            resource_metadata=call.configuration.access.metadata.address_of(call.route.api),
            is_dpop=call.extras is not None and call.extras.is_dpop,
        )
    if call.decision is None and refusal.status >= _FIRST_ERROR:
        _let_pages_read(plane, call)
    fields, body = render(refusal, call.request_id, answer_fields(call))
    call.status = refusal.status
    call.cause = BY_GATEWAY if refusal.status >= 500 else BY_CLIENT
    if call.decision is not None or plane.keeps_times:
        call.note().problem = refusal.type
    call.response_bytes = len(body)
    waiting = call.inbound.answer(refusal.status, fields, body, closes=refusal.closes)
    if waiting is not None:
        await waiting
