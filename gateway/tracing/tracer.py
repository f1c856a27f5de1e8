"""Decides for each call whether it is traced, tells the upstream, and makes its two spans.

A call is a SERVER span; what it waits for its upstream is a CLIENT span inside. Attributes have the
names of OpenTelemetry's semantic conventions, and the route stands for the path: that may hold
anything.
"""

import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from gateway.dataplane.call import Call, Inbound
from gateway.dataplane.pipeline import STAGES, Stage
from gateway.dataplane.plane import Plane
from gateway.dataplane.trusted_hops import TrustedHops
from gateway.tracing import trace_context
from gateway.tracing.settings import TraceSettings
from gateway.tracing.trace_context import SAMPLED, TraceContext

_SERVER: Final = 2
_CLIENT: Final = 3
_FIRST_SERVER_ERROR: Final = 500
_NS: Final = 1_000_000_000

Attributes = dict[str, str | int]
Serve = Callable[[Inbound, tuple[Stage, ...]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Span:
    """A finished span. Times are Unix nanoseconds."""

    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    name: str
    kind: int
    started: int
    ended: int
    attributes: Attributes
    is_error: bool
    state: bytes = b""
    links: tuple[TraceContext, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class _Trace:
    """What was decided for one call. `context` is its SERVER span's."""

    context: TraceContext
    parent_id: bytes
    client_span_id: bytes
    link: TraceContext | None


class Tracer:
    """Traces the calls of one worker; `take` gets the finished spans and never waits."""

    def __init__(
        self, settings: TraceSettings, hops: TrustedHops, take: Callable[[Span], None]
    ) -> None:
        self._parent = settings.parent
        self._hops = hops
        self._take = take
        # Of the last 56 bits of a trace id, which are random (Trace Context §3.2.2.3).
        self._threshold = int(settings.ratio * (1 << 56))

    async def serve(self, serve: Serve, inbound: Inbound) -> None:
        """Let `serve` answer the request, within a trace."""
        trace = self._begin(inbound)
        if not trace.context.is_sampled:
            await serve(inbound, STAGES)
            return
        seen: list[Call] = []

        def note(plane: Plane, call: Call) -> None:
            del plane
            seen.append(call)

        try:
            # The call is kept here: a request forgets its own when it is closed.
            await serve(inbound, (note, *STAGES))
        finally:
            if seen:
                self._end(trace, seen[0])

    def _begin(self, inbound: Inbound) -> _Trace:
        said = trace_context.read_context(inbound.headers)
        noise = os.urandom(32)
        span_id, client_span_id = noise[:8].hex().encode(), noise[8:16].hex().encode()
        if said is not None and self._continues(inbound.peer):
            context = TraceContext(said.trace_id, span_id, said.flags & SAMPLED, said.state)
            trace = _Trace(context, said.span_id, client_span_id, None)
        else:
            trace_id = noise[16:]
            is_sampled = int.from_bytes(trace_id[-7:]) < self._threshold
            context = TraceContext(trace_id.hex().encode(), span_id, int(is_sampled))
            trace = _Trace(context, b"", client_span_id, said)
        told = TraceContext(context.trace_id, client_span_id, context.flags)
        fields = trace_context.without_context(inbound.headers)
        fields.append((trace_context.TRACEPARENT, told.traceparent()))
        if context.state:
            fields.append((trace_context.TRACESTATE, context.state))
        inbound.headers = fields
        return trace

    def _continues(self, peer: str) -> bool:
        if self._parent == "trusted":
            return self._hops.trusts(peer)
        return self._parent == "continue"

    def _end(self, trace: _Trace, call: Call) -> None:
        now, unix_now = time.monotonic(), time.time_ns()

        def at(moment: float) -> int:
            return unix_now - int((now - moment) * _NS)

        context, extras = trace.context, call.extras
        if extras is not None and extras.upstream_until:
            self._take(
                Span(
                    trace_id=context.trace_id,
                    span_id=trace.client_span_id,
                    parent_id=context.span_id,
                    name=call.method,
                    kind=_CLIENT,
                    started=at(extras.upstream_from),
                    ended=at(extras.upstream_until),
                    attributes={"http.request.method": call.method},
                    is_error=extras.problem != "" and call.status >= _FIRST_SERVER_ERROR,
                    state=context.state,
                )
            )
        attributes, name = _describe(call)
        self._take(
            Span(
                trace_id=context.trace_id,
                span_id=context.span_id,
                parent_id=trace.parent_id,
                name=name,
                kind=_SERVER,
                started=at(call.started),
                ended=unix_now,
                attributes=attributes,
                is_error=call.status >= _FIRST_SERVER_ERROR,
                state=context.state,
                links=(trace.link,) if trace.link is not None else (),
            )
        )


def _describe(call: Call) -> tuple[Attributes, str]:
    """Return the attributes and the name of a call's span; nothing in them is the caller's text."""
    attributes: Attributes = {
        "http.request.method": call.method,
        "http.response.status_code": call.status,
        "tollgate.request_id": call.request_id.decode("ascii"),
    }
    name = call.method
    if call.route is not None:
        route = call.route.api.base_path + call.route.operation.path
        name = f"{call.method} {route}"
        attributes["http.route"] = route
        attributes["tollgate.api"] = call.route.api.slug
        attributes["tollgate.operation"] = call.route.operation.id
    if call.decision is not None:
        subscription = call.decision.entitlement.subscription
        attributes["tollgate.subscription"] = subscription.id
        attributes["tollgate.client_id"] = subscription.client_id
    if call.extras is not None and call.extras.problem:
        attributes["error.type"] = call.extras.problem
    elif call.status >= _FIRST_SERVER_ERROR:
        attributes["error.type"] = str(call.status)
    return attributes, name
