"""The configuration a gateway enforces, as one versioned document.

Built by the control API, long-polled by every gateway worker, kept on disk as the last
good one. Identifiers are opaque strings; times are seconds; sizes are bytes.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from wire.snapshot_document import (
    Head,
    MalformedSnapshot,
    digest_of,
    encode_document,
    encode_row,
    write_digest,
)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of an API. `path` is an OpenAPI template below the API's base path."""

    id: str
    method: str  # upper case, or "*" for any
    path: str  # "/orders/{order_id}"; a trailing "/{rest*}" takes every deeper path
    scopes: tuple[str, ...] = ()  # all are required
    # RFC 9470: one of these `acr`, and an `auth_time` at most so old. Empty: what the API says.
    acr_values: tuple[str, ...] = ()
    max_auth_age_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class CORS:
    """Which pages of other origins may call an API (Fetch §3.2)."""

    origins: tuple[str, ...]  # "https://app.example", or "*" for any
    methods: tuple[str, ...] = ()  # empty: those of the path
    headers: tuple[str, ...] = ()  # of requests; lower case, or "*"
    exposed_headers: tuple[str, ...] = ()
    credentials: bool = False  # cookies and client certificates; never together with "*"
    max_age_seconds: int = 600


@dataclass(frozen=True, slots=True)
class ForeignClient:
    """A client of another issuer, and the client id under which it is subscribed here."""

    client_id: str
    subscribed_as: str


@dataclass(frozen=True, slots=True)
class Issuer:
    """Another authorization server whose JWT access tokens (RFC 9068) are taken.

    A client without a row in `clients` is subscribed as `<slug>:<client id>`: no foreign issuer can
    name a client of ours.
    """

    id: str
    slug: str
    issuer: str
    jwks_uri: str = ""  # empty: by discovery (RFC 8414, OpenID Connect Discovery 1.0)
    audience: str = ""  # empty: the API's resource
    algorithms: tuple[str, ...] = ("ES256", "RS256")
    scope_claim: str = "scope"
    client_id_claim: str = "client_id"
    clients: tuple[ForeignClient, ...] = ()
    ca_pem: str = ""


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
    cors: CORS | None = None
    acr_values: tuple[str, ...] = ()
    max_auth_age_seconds: int | None = None
    requires_bound_tokens: bool = False  # to a key of the client (RFC 7800)
    requires_dpop_nonce: bool = False
    issuer_ids: tuple[str, ...] = ()  # whose JWT access tokens are taken beside our tokens


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
    """At most `limit` calls in any `window_seconds`, `burst` of them at once.

    `per` says who shares one counter: everybody on the subscription, the client (a new
    subscription starts with what is left), each user (`sub`) or each client address of the
    subscription. With `operations`, only calls of these count; with `each_operation` each has a
    counter of its own.
    """

    limit: int
    window_seconds: int
    burst: int
    name: str = "rate"
    per: str = "subscription"  # PER
    each_operation: bool = False
    operations: tuple[str, ...] = ()  # `<API id>/<operation id>`; empty: all


@dataclass(frozen=True, slots=True)
class Quota:
    """At most `limit` calls of a subscription in a calendar `period` of `timezone`.

    What is above is blocked, throttled to `throttle`, or billed.
    """

    limit: int
    period: str = "month"  # calendar_period.PERIODS
    timezone: str = "UTC"
    overage: str = "block"  # OVERAGES
    name: str = "quota"
    throttle: RateLimit | None = None


PER: Final = ("subscription", "client", "user", "address")
OVERAGES: Final = ("block", "throttle", "bill")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a subscription allows. `api_ids` are the APIs of the plan's product.

    All rate limits and quotas hold at once; their names differ.
    """

    id: str
    name: str
    api_ids: tuple[str, ...]
    rate_limits: tuple[RateLimit, ...] = ()
    quotas: tuple[Quota, ...] = ()


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
    issuers: tuple[Issuer, ...] = field(default=())
    gateway_url: str = ""  # where clients reach the gateway: scheme, host and port

    def encode(self) -> bytes:
        """Return the document, a row on each line (`snapshot_document`)."""
        values = asdict(self)
        version = values.pop("version")
        rows = {
            kind: [encode_row(row) for row in values.pop(kind)]
            for kind in list(values)
            if isinstance(values[kind], tuple)
        }
        digest = write_digest(digest_of(values, rows))
        return encode_document(Head(version=version, digest=digest, members=values), rows)


T = TypeVar("T")

_CORS_LISTS: Final = ("origins", "methods", "headers", "exposed_headers")


def parse_snapshot(document: object) -> GatewaySnapshot:
    """Return the snapshot in `document`. Raises MalformedSnapshot, naming the member."""
    if not isinstance(document, Mapping) or type(document.get("version")) is not int:
        raise MalformedSnapshot("version: an integer is expected.")
    rows: dict[str, Any] = {
        kind: tuple(read(row) for row in _rows(document, kind)) for kind, read in KINDS.items()
    }
    by_id = {kind: {row.id: row for row in found} for kind, found in rows.items()}
    for kind, found in rows.items():
        for row in found:
            check_references(kind, row, by_id)
    return GatewaySnapshot(
        version=document["version"], gateway_url=str(document.get("gateway_url", "")), **rows
    )


def check_references(kind: str, row: Any, rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise MalformedSnapshot when `row` names something that is not in `rows`, by kind and id."""
    for member, other in REFERENCES.get(kind, ()):
        named = getattr(row, member)
        for identifier in named if isinstance(named, tuple) else (named,):
            if identifier not in rows[other]:
                name = getattr(row, "slug", row.id)
                raise MalformedSnapshot(f"{kind}: {name}: {member}: unknown {identifier!r}.")


def _rows(document: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    rows = document.get(name, [])
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise MalformedSnapshot(f"{name}: a list of objects is expected.")
    return rows


def _build(kind: type[T], row: Mapping[str, Any], **replaced: object) -> T:
    # Unknown members are ignored, so that an older gateway reads a newer snapshot.
    known = _plain_types(kind)  # type: ignore[arg-type]  # a class is hashable
    members = {name: value for name, value in row.items() if name in known}
    for name, value in members.items():
        expected = known[name]
        if expected is not None and type(value) is not expected and name not in replaced:
            if expected is float and type(value) is int:
                continue
            raise MalformedSnapshot(
                f"{kind.__name__} {row.get('id', '')}: {name}: {expected.__name__} is expected."
            )
    try:
        return kind(**(members | replaced))
    except TypeError as error:
        raise MalformedSnapshot(f"{kind.__name__} {row.get('id', '')}: {error}") from error


@cache
def _plain_types(kind: type[Any]) -> dict[str, type | None]:
    """Return the members, each with its type; None for what is no plain value."""
    plain = (str, int, float, bool)
    return {f.name: f.type if f.type in plain else None for f in fields(kind)}


def _api(row: Mapping[str, Any]) -> API:
    cors = row.get("cors")
    api = _build(
        API,
        row,
        operations=tuple(
            _build(Operation, operation, **_texts(operation, "scopes", "acr_values"))
            for operation in _rows(row, "operations")
        ),
        cors=_build(CORS, cors, **_texts(cors, *_CORS_LISTS)) if cors else None,
        **_texts(row, "scopes", "websocket_origins", "acr_values", "issuer_ids"),
    )
    if not api.base_path.startswith("/") or api.base_path.endswith("/"):
        raise MalformedSnapshot(f"apis: base path {api.base_path!r} needs a leading / only.")
    return api


def _upstream(row: Mapping[str, Any]) -> Upstream:
    health = row.get("health")
    upstream = _build(
        Upstream,
        row,
        targets=tuple(_build(Target, target) for target in _rows(row, "targets")),
        health=_build(HealthCheck, health) if health else None,
    )
    _check_upstream(upstream)
    return upstream


def _check_upstream(upstream: Upstream) -> None:
    for url in (upstream.url, *(target.url for target in upstream.targets)):
        if urlsplit(url).scheme not in {"http", "https"}:
            raise MalformedSnapshot(f"upstreams: {url!r} is not an http or https URL.")
    if any(target.weight < 1 for target in upstream.targets):
        raise MalformedSnapshot(f"upstreams: {upstream.slug}: a weight is below 1.")
    if upstream.health is not None and not upstream.health.path.startswith("/"):
        raise MalformedSnapshot(f"upstreams: {upstream.slug}: a health path begins with /.")


def _issuer(row: Mapping[str, Any]) -> Issuer:
    clients = tuple(_build(ForeignClient, client) for client in _rows(row, "clients"))
    return _build(Issuer, row, clients=clients, **_texts(row, "algorithms"))


def _texts(row: Mapping[str, Any], *names: str) -> dict[str, object]:
    """Return the lists of texts that `row` has, as tuples."""
    return {name: tuple(row[name]) for name in names if name in row}


def _plan(row: Mapping[str, Any]) -> Plan:
    return _build(
        Plan,
        row,
        api_ids=tuple(row.get("api_ids", ())),
        rate_limits=tuple(_rate_limit(limit) for limit in _limits_of(row, "rate_limit")),
        quotas=tuple(_quota(quota) for quota in _limits_of(row, "quota")),
    )


def _limits_of(row: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    # A snapshot that was kept by an earlier release has one of each at most, under this name.
    if f"{name}s" not in row and row.get(name):
        return [row[name]]
    return _rows(row, f"{name}s")


def _rate_limit(row: Mapping[str, Any]) -> RateLimit:
    return _build(RateLimit, row, operations=tuple(row.get("operations", ())))


def _quota(row: Mapping[str, Any]) -> Quota:
    throttle = row.get("throttle")
    return _build(Quota, row, throttle=_rate_limit(throttle) if throttle else None)


def _subscription(row: Mapping[str, Any]) -> Subscription:
    return _build(Subscription, row)


# The lists of a snapshot: how a row of each is read. A change puts and drops rows by their `id`.
KINDS: Final[Mapping[str, Callable[[Mapping[str, Any]], Any]]] = {
    "upstreams": _upstream,
    "issuers": _issuer,
    "apis": _api,
    "plans": _plan,
    "subscriptions": _subscription,
}
# Members that name rows of another kind, which must be there.
REFERENCES: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "apis": (("upstream_id", "upstreams"), ("issuer_ids", "issuers")),
    "subscriptions": (("plan_id", "plans"),),
}
