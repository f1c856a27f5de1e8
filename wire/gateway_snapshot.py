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
class Target:
    """One of several addresses of an upstream; it gets its `weight`'s share of the calls."""

    url: str  # as Upstream.url
    weight: int = 1


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """GET `path` at each target; a status from 200 to 299 within `timeout_seconds` is a success.

    `unhealthy_after` failures in a row take a target out, `healthy_after` successes bring it back.
    """

    path: str  # from the root of the target's host, not below its prefix
    interval_seconds: float = 10.0
    timeout_seconds: float = 2.0
    healthy_after: int = 2
    unhealthy_after: int = 3


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where calls go. The path of `url` is put before the path below the API's base path.

    With several `targets`, `url` is the first of them, for gateways that know no others.
    `allow_internal`: loopback and private addresses may be connected to. `eject_after` failed calls
    in a row (0: never) take one of several targets out for `ejection_seconds`, then twice that, ...
    """

    id: str
    url: str  # http://host:port or https://host[:port][/prefix]
    connect_timeout_seconds: float = 2.0
    first_byte_timeout_seconds: float = 30.0
    idle_timeout_seconds: float = 30.0
    ca_pem: str = ""
    total_timeout_seconds: float = 0.0  # until the last byte of the answer; 0: no limit
    slug: str = ""  # its name in metrics
    targets: tuple[Target, ...] = ()  # empty: `url` alone
    allow_internal: bool = False
    eject_after: int = 5
    ejection_seconds: float = 10.0
    health: HealthCheck | None = None


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
        upstreams=tuple(_upstream(row) for row in _rows(document, "upstreams")),
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


def _upstream(row: Mapping[str, Any]) -> Upstream:
    health = row.get("health")
    return _build(
        Upstream,
        row,
        targets=tuple(_build(Target, target) for target in _rows(row, "targets")),
        health=_build(HealthCheck, health) if health else None,
    )


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
        _check_upstream(upstream)
    for api in snapshot.apis:
        if api.upstream_id not in upstream_ids:
            raise MalformedSnapshot(f"apis: {api.slug} names an unknown upstream.")
        if not api.base_path.startswith("/") or api.base_path.endswith("/"):
            raise MalformedSnapshot(f"apis: base path {api.base_path!r} needs a leading / only.")
    plan_ids = {plan.id for plan in snapshot.plans}
    for subscription in snapshot.subscriptions:
        if subscription.plan_id not in plan_ids:
            raise MalformedSnapshot(f"subscriptions: {subscription.id} names an unknown plan.")


def _check_upstream(upstream: Upstream) -> None:
    for url in (upstream.url, *(target.url for target in upstream.targets)):
        if urlsplit(url).scheme not in {"http", "https"}:
            raise MalformedSnapshot(f"upstreams: {url!r} is not an http or https URL.")
    if any(target.weight < 1 for target in upstream.targets):
        raise MalformedSnapshot(f"upstreams: {upstream.slug}: a weight is below 1.")
    if upstream.health is not None and not upstream.health.path.startswith("/"):
        raise MalformedSnapshot(f"upstreams: {upstream.slug}: a health path begins with /.")
