"""The configuration a gateway enforces, as one versioned document.

Built by the control API, long-polled by every gateway worker, kept on disk as the last
good one. Identifiers are opaque strings; times are seconds; sizes are bytes.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypeVar
from urllib.parse import urlsplit


class MalformedSnapshot(ValueError):
    """The document is not a usable snapshot; the message names the member."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of an API. `path` is an OpenAPI template below the API's base path."""

    id: str
    method: str  # upper case, or "*" for any
    path: str  # "/orders/{order_id}"; a trailing "/{rest*}" takes every deeper path
    scopes: tuple[str, ...] = ()  # all are required


@dataclass(frozen=True, slots=True)
class API:
    """A published API: where it is mounted, what it needs, where it goes."""

    id: str
    slug: str
    name: str
    base_path: str  # "/orders/v1", no trailing slash
    resource: str  # RFC 8707 resource identifier; the audience of its JWT
    upstream_id: str
    operations: tuple[Operation, ...]
    allow_encoded_slash: bool = False
    max_body_bytes: int = 10_485_760
    scopes: tuple[str, ...] = ()  # every scope it has, operation or not (RFC 9728 §2)
    documentation_url: str = ""
    allow_websocket: bool = False
    websocket_origins: tuple[str, ...] = ()  # RFC 6454 §6.2; none: any
    websocket_idle_seconds: float = 300.0


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where calls go. The path of `url` is put before the path below the API's base path."""

    id: str
    url: str  # http://host:port or https://host[:port][/prefix]
    connect_timeout_seconds: float = 2.0
    first_byte_timeout_seconds: float = 30.0
    idle_timeout_seconds: float = 30.0
    ca_pem: str = ""
    total_timeout_seconds: float = 0.0  # until the last byte of the answer; 0: no limit


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `limit` calls in `window_seconds`, `burst` of them at once."""

    limit: int
    window_seconds: int
    burst: int


@dataclass(frozen=True, slots=True)
class Quota:
    """At most `limit` calls in a calendar `period` of `timezone`; overage is blocked or billed."""

    limit: int
    period: str = "month"
    timezone: str = "UTC"
    overage: str = "block"  # "block" | "bill"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a subscription allows. `api_ids` are the APIs of the plan's product."""

    id: str
    name: str
    api_ids: tuple[str, ...]
    rate_limit: RateLimit | None = None
    quota: Quota | None = None


@dataclass(frozen=True, slots=True)
class Subscription:
    """A client's right to call the APIs of a plan. Only active ones are in a snapshot."""

    id: str
    client_id: str
    plan_id: str


@dataclass(frozen=True, slots=True)
class GatewaySnapshot:
    """Everything a gateway enforces, at one `version` (grows by one with each change)."""

    version: int
    apis: tuple[API, ...] = field(default=())
    upstreams: tuple[Upstream, ...] = field(default=())
    plans: tuple[Plan, ...] = field(default=())
    subscriptions: tuple[Subscription, ...] = field(default=())
    gateway_url: str = ""  # where clients reach the gateway: scheme, host and port

    def encode(self) -> bytes:
        """Return the JSON document."""
        return json.dumps(asdict(self), separators=(",", ":")).encode()


T = TypeVar("T")


def parse_snapshot(document: object) -> GatewaySnapshot:
    """Return the snapshot in `document`. Raises MalformedSnapshot, naming the member."""
    if not isinstance(document, Mapping) or type(document.get("version")) is not int:
        raise MalformedSnapshot("version: an integer is expected.")
    snapshot = GatewaySnapshot(
        version=document["version"],
        apis=tuple(_api(row) for row in _rows(document, "apis")),
        upstreams=tuple(_build(Upstream, row) for row in _rows(document, "upstreams")),
        plans=tuple(_plan(row) for row in _rows(document, "plans")),
        subscriptions=tuple(_build(Subscription, row) for row in _rows(document, "subscriptions")),
        gateway_url=str(document.get("gateway_url", "")),
    )
    _check(snapshot)
    return snapshot


def _rows(document: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    rows = document.get(name, [])
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise MalformedSnapshot(f"{name}: a list of objects is expected.")
    return rows


def _build(kind: type[T], row: Mapping[str, Any], **replaced: object) -> T:
    # Unknown members are ignored, so that an older gateway reads a newer snapshot.
    known = {f.name for f in fields(kind)}  # type: ignore[arg-type]  # every caller passes a dataclass
    members = {name: value for name, value in row.items() if name in known} | replaced
    try:
        return kind(**members)
    except TypeError as error:
        raise MalformedSnapshot(f"{kind.__name__}: {error}") from error


def _api(row: Mapping[str, Any]) -> API:
    operations = tuple(
        _build(Operation, operation, scopes=tuple(operation.get("scopes", ())))
        for operation in _rows(row, "operations")
    )
    scopes = tuple(row.get("scopes", ()))
    origins = tuple(row.get("websocket_origins", ()))
    return _build(API, row, operations=operations, scopes=scopes, websocket_origins=origins)


def _plan(row: Mapping[str, Any]) -> Plan:
    limit, quota = row.get("rate_limit"), row.get("quota")
    return _build(
        Plan,
        row,
        api_ids=tuple(row.get("api_ids", ())),
        rate_limit=_build(RateLimit, limit) if limit else None,
        quota=_build(Quota, quota) if quota else None,
    )


def _check(snapshot: GatewaySnapshot) -> None:
    upstream_ids = {upstream.id for upstream in snapshot.upstreams}
    for upstream in snapshot.upstreams:
        if urlsplit(upstream.url).scheme not in {"http", "https"}:
            raise MalformedSnapshot(f"upstreams: {upstream.url!r} is not an http or https URL.")
    for api in snapshot.apis:
        if api.upstream_id not in upstream_ids:
            raise MalformedSnapshot(f"apis: {api.slug} names an unknown upstream.")
        if not api.base_path.startswith("/") or api.base_path.endswith("/"):
            raise MalformedSnapshot(f"apis: base path {api.base_path!r} needs a leading / only.")
    plan_ids = {plan.id for plan in snapshot.plans}
    for subscription in snapshot.subscriptions:
        if subscription.plan_id not in plan_ids:
            raise MalformedSnapshot(f"subscriptions: {subscription.id} names an unknown plan.")
