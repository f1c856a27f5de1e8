"""What would become of a call: the stages of the pipeline, run one by one without its forward.

The stages are those that serve calls. Only what they ask of others is made up: a token of the
client and user that were named instead of the token service's answer, a full allowance instead of
Valkey's. Nothing is counted and no upstream is called.
"""

import asyncio
import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.counters import private_counters
from gateway.dataplane.allowances import Allowances
from gateway.dataplane.call import Call
from gateway.dataplane.configuration import Configuration, Parts, make_configuration
from gateway.dataplane.errors import Refusal
from gateway.dataplane.exchange import Exchange
from gateway.dataplane.forward import request_fields, target_of
from gateway.dataplane.guarded_authority import Introspection
from gateway.dataplane.leases import Grant, LeaseUnavailable
from gateway.dataplane.phantom_token import PhantomToken
from gateway.dataplane.pipeline import CHECKS
from gateway.dataplane.plane import Plane
from gateway.dataplane.routing import Route
from gateway.dataplane.token_cache import TokenCache
from gateway.dataplane.upstreams import Client, Upstreams
from gateway.slices import run_through
from gateway.snapshot_tables import Tables, read_tables
from wire.bearer import Prefix, mint
from wire.gateway_snapshot import Upstream

_LIFETIME_SECONDS: Final = 300.0
_MADE_UP: Final = b"Bearer <the JWT that the token service makes for this API>"

Details = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Question:
    """The call. Without a client it brings no token; `scopes` None: every scope of the API."""

    method: str
    url: str
    client_id: str = ""
    subject: str = ""
    scopes: tuple[str, ...] | None = None
    headers: tuple[tuple[str, str], ...] = ()
    hosts: frozenset[str] = frozenset()  # that the gateway serves
    issuer: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one stage said."""

    stage: str
    passed: bool
    details: Details


@dataclass(frozen=True, slots=True)
class Explanation:
    """The outcomes up to the one that ended the call, or all of them and where it would go."""

    version: int
    outcomes: tuple[Outcome, ...]
    status: int  # of the answer; 0: the upstream's

    @property
    def is_admitted(self) -> bool:
        return self.status == 0


@dataclass(slots=True)
class _Inbound:
    """A request without a connection."""

    method: str
    raw_path: bytes
    query: bytes
    headers: list[tuple[bytes, bytes]]
    scheme: str
    peer: str = "192.0.2.1"  # RFC 5737: nobody's
    call: Call | None = None
    announces_body: bool = True

    async def read(self) -> bytes:
        return b""


@dataclass(slots=True)
class _Nobody:
    """Stands for the token service and for Valkey."""

    fleet: int = 1
    worker_id: str = "explain"
    counted: dict[str, int] = field(default_factory=dict)

    async def introspect(self, token: bytes, resource: str) -> Introspection | None:
        """Return None: only tokens that are made up are known."""
        del token, resource
        return None

    def submit(self, order: object) -> "asyncio.Future[Grant]":
        """Return a failure: the limits are the worker's own share, which is full."""
        future: asyncio.Future[Grant] = asyncio.get_running_loop().create_future()
        future.set_exception(LeaseUnavailable(str(order)))
        return future

    def count(self, name: str) -> None:
        self.counted[name] = self.counted.get(name, 0) + 1


class _NoUsage:
    """A journal that forgets."""

    def record(self, *arguments: object, **members: object) -> None:
        """Do nothing."""


class _Idle(Upstreams):
    """Clients that are never used: no health check is sent."""

    def keep_only(self, clients: Mapping[Upstream, Client]) -> None:
        """Start nothing."""


def explain(document: bytes, question: Question) -> Explanation:
    """Return what becomes of the call under the snapshot in `document`.

    Raises MalformedSnapshot, and ValueError for a URL that is none. Runs an event loop.
    """
    return asyncio.run(_explain(document, question))


async def _explain(document: bytes, question: Question) -> Explanation:
    nobody: Any = _Nobody()
    parts = Parts(_Idle(), Allowances(nobody), question.issuer)
    tables = run_through(read_tables(document, Tables()))
    configuration = run_through(make_configuration(tables, None, parts))
    inbound: Any = _inbound_of(question)
    call = Call(inbound, time.monotonic())
    plane = _plane_of(question, nobody, configuration)
    outcomes: list[Outcome] = []
    for stage in CHECKS:
        name = getattr(stage, "__name__", "stage")
        try:
            pending = stage(plane, call)
            if pending is not None:
                await pending
        except Refusal as refusal:
            outcomes.append(Outcome(name, passed=False, details=_refused(refusal)))
            return Explanation(tables.version, tuple(outcomes), refusal.status)
        if name == "find_route" and question.client_id:
            _give_token(plane, call, question)
        tell = _TELL.get(name)
        outcomes.append(Outcome(name, passed=True, details=tell(call) if tell else {}))
    outcomes.append(Outcome("forward", passed=True, details=_forward(call, configuration)))
    return Explanation(tables.version, tuple(outcomes), 0)


def _plane_of(question: Question, nobody: Any, configuration: Configuration) -> Plane:
    counters = private_counters()
    cache = TokenCache(max_entries=10, max_bytes=1_000_000)
    exchange = Exchange(cache=cache, authority=nobody, issuer=question.issuer, counters=counters)
    journal: Any = _NoUsage()
    plane = Plane(exchange=exchange, journal=journal, counters=counters, hosts=question.hosts)
    plane.configuration = configuration
    return plane


def _inbound_of(question: Question) -> _Inbound:
    address = (
        question.url if "://" in question.url else f"https://{_any_host(question)}{question.url}"
    )
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("an http or https URL, or a path that begins with /, is expected.")
    fields = [(b"host", parts.netloc.encode())]
    fields += [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in question.headers
    ]
    return _Inbound(
        method=question.method.upper(),
        # As it was typed: what is parsed may be another path.
        raw_path=_path_of(address).encode(),
        query=parts.query.encode(),
        headers=fields,
        scheme=parts.scheme,
    )


def _path_of(address: str) -> str:
    after_authority = address.partition("://")[2].partition("/")
    return f"/{after_authority[2].partition('#')[0].partition('?')[0]}"


def _any_host(question: Question) -> str:
    return min(question.hosts, default="localhost")


def _give_token(plane: Plane, call: Call, question: Question) -> None:
    """Let the call bring a token that the cache knows, as if it had been exchanged before."""
    assert call.route is not None  # noqa: S101 - find_route passed
    api = call.route.api
    every = {scope for operation in api.operations for scope in operation.scopes} | {*api.scopes}
    token = mint(Prefix.ACCESS_TOKEN).encode()
    phantom = PhantomToken(
        authorization=_MADE_UP,
        client_id=question.client_id,
        subject=question.subject or question.client_id,
        scopes=frozenset(every if question.scopes is None else question.scopes),
        obtained_at=call.started,
        expires_at=call.started + _LIFETIME_SECONDS,
        auth_time=time.time() if question.subject else None,
    )
    plane.exchange.cache.keep(hashlib.sha256(token).digest(), api.resource, phantom)
    call.authorization = b"Bearer " + token


def _refused(refusal: Refusal) -> Details:
    told = {"status": str(refusal.status), "title": refusal.title}
    if refusal.detail:
        told["why"] = refusal.detail
    if refusal.type != "about:blank":
        told["type"] = refusal.type
    return told


def _tell_route(call: Call) -> Details:
    route = _route_of(call)
    return {
        "api": f"{route.api.slug} ({route.api.name})",
        "operation": f"{route.operation.id}: {route.operation.method} {route.operation.path}",
        "scopes": route.scope_text or "none",
        "resource": route.api.resource,
    }


def _tell_token(call: Call) -> Details:
    return {
        "client": call.phantom.client_id,
        "user": call.phantom.subject,
        "scopes": " ".join(sorted(call.phantom.scopes)) or "none",
    }


def _tell_subscription(call: Call) -> Details:
    assert call.decision is not None  # noqa: S101 - authorise passed
    entitlement = call.decision.entitlement
    return {"subscription": entitlement.subscription.id, "plan": entitlement.plan.name}


def _tell_limits(call: Call) -> Details:
    if call.allowance is None:
        return {"limits": "none"}
    fields = dict(call.allowance.fields(call.started))
    return {"limits": fields.get(b"ratelimit-policy", b"").decode() or "none that is shown"}


def _forward(call: Call, configuration: Configuration) -> Details:
    assert call.decision is not None  # noqa: S101 - authorise passed
    route = _route_of(call)
    upstream: Upstream = configuration.tables.rows["upstreams"][route.api.upstream_id]
    came = [name for name, _ in call.inbound.headers]
    kept = [name for name, _ in call.fields]
    dropped = sorted({name.decode("latin-1") for name in came if name not in kept})
    added = request_fields(call)[len(kept) :]
    targets = [target.url for target in upstream.targets] or [upstream.url]
    return {
        "upstream": " or ".join(targets),
        "request": f"{call.method} {target_of(call, call.decision, route.strip).decode('latin-1')}",
        "host": " or ".join(urlsplit(target).netloc for target in targets),
        "headers kept": ", ".join(name.decode("latin-1") for name in kept) or "none",
        "headers dropped or replaced": ", ".join(dropped) or "none",
        "headers added": "; ".join(f"{k.decode()}: {v.decode('latin-1')}" for k, v in added),
        "body": f"at most {route.api.max_body_bytes:,} bytes",
    }


def _route_of(call: Call) -> Route:
    assert call.route is not None  # noqa: S101 - find_route passed
    return call.route


_TELL: Final = {
    "find_route": _tell_route,
    "exchange_token": _tell_token,
    "authorise": _tell_subscription,
    "take_allowance": _tell_limits,
}
