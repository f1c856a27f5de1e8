"""A snapshot made ready for calls: replaced as a whole, never changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from gateway.dataplane.allowances import Allowances
from gateway.dataplane.cors import CORSPolicy, build_policies
from gateway.dataplane.entitlements import Entitlements
from gateway.dataplane.resource_metadata import ResourceMetadata
from gateway.dataplane.routing import BadTemplate, Router, make_router
from gateway.dataplane.upstreams import Client, Upstreams
from gateway.slices import Steps, run_through
from gateway.snapshot_tables import Tables, read_tables
from wire.calendar_period import PERIODS
from wire.gateway_snapshot import (
    API,
    OVERAGES,
    PER,
    GatewaySnapshot,
    Issuer,
    Plan,
    RateLimit,
    Upstream,
)
from wire.snapshot_document import MalformedSnapshot


@dataclass(frozen=True, slots=True, eq=False)
class Access:
    """What clients are told of the APIs, and who may call them from where."""

    metadata: ResourceMetadata
    cors: Mapping[str, CORSPolicy]  # by API id; APIs without one are not there
    issuers: Mapping[str, tuple[Issuer, ...]]  # foreign ones, by API id; as cors
    gateway_url: str  # without a trailing slash
    cors_by_path: tuple[tuple[bytes, CORSPolicy], ...]  # base path and slash, the longest first

    def policy_at(self, raw_path: bytes) -> CORSPolicy | None:
        """Return the policy of the API whose base path this is below, route or not."""
        for prefix, policy in self.cors_by_path:
            if raw_path.startswith(prefix):
                return policy
        return None


@dataclass(frozen=True, slots=True, eq=False)
class Configuration:
    """What one version of the configuration allows. Compared by identity.

    What is the same as in the version before is the same object: an API with its routes, the client
    of an upstream, an entitlement. So what was decided from them stays decided (see `decision`).
    """

    version: int
    tables: Tables
    router: Router
    entitlements: Entitlements
    apis: Mapping[str, API]  # by id; so are the next two, by that of the API
    clients: Mapping[str, Client]
    total_timeouts: Mapping[str, float]  # seconds; 0: no limit
    upstream_clients: Mapping[str, Client]  # by upstream id
    access: Access


@dataclass(frozen=True, slots=True)
class Parts:
    """What configurations are made with and outlive them."""

    upstreams: Upstreams
    allowances: Allowances
    issuer: str = ""  # where clients are sent for tokens (RFC 9728); empty: they are told nothing
    jwks: bytes = b""  # the keys of JWTs that the gateway makes itself, where it does
    takes_certificates: bool = False  # a hop in front is trusted to show those of clients


def prepare_configuration(
    snapshot: GatewaySnapshot,
    *,
    upstreams: Upstreams,
    allowances: Allowances,
    issuer: str = "",
    jwks: bytes = b"",
    takes_certificates: bool = False,
) -> Configuration:
    """Return the configuration of a whole snapshot, without a pause. Raises MalformedSnapshot."""
    tables = run_through(read_tables(snapshot.encode(), Tables()))
    parts = Parts(upstreams, allowances, issuer, jwks, takes_certificates)
    return run_through(make_configuration(tables, None, parts))


def make_configuration(
    tables: Tables, previous: Configuration | None, parts: Parts
) -> Steps[Configuration]:
    """Return the configuration of `tables`. Raises MalformedSnapshot, with nothing changed.

    Costs what is different from `previous`, which is in force until this is put in its place.
    """
    held = None if previous is None else previous.tables
    if held is None or held.rows["plans"] is not tables.rows["plans"]:
        for plan in tables.rows["plans"].values():
            _check_plan(plan)
            yield
    router = yield from _router(tables, previous)
    apis: Mapping[str, API] = tables.rows["apis"]
    if previous is None or _is_other_catalog(tables, previous.tables):
        upstream_clients = yield from _upstream_clients(tables, previous, parts.upstreams)
        upstreams: Mapping[str, Upstream] = tables.rows["upstreams"]
        total_timeouts: Mapping[str, float] = {
            api.id: upstreams[api.upstream_id].total_timeout_seconds for api in apis.values()
        }
        clients: Mapping[str, Client] = {
            api.id: upstream_clients[api.upstream_id] for api in apis.values()
        }
        access = _read_access(tables, parts)
    else:
        upstream_clients, access = previous.upstream_clients, previous.access
        clients, total_timeouts = previous.clients, previous.total_timeouts
    return Configuration(
        version=tables.version,
        tables=tables,
        router=router,
        entitlements=Entitlements(
            tables.clients,
            tables.rows["plans"],
            parts.allowances,
            None if previous is None else previous.entitlements,
        ),
        apis=apis,
        clients=clients,
        total_timeouts=total_timeouts,
        upstream_clients=upstream_clients,
        access=access,
    )


def _read_access(tables: Tables, parts: Parts) -> Access:
    apis: Mapping[str, API] = tables.rows["apis"]
    known: Mapping[str, Issuer] = tables.rows["issuers"]
    issuers = {
        api.id: tuple(known[key] for key in api.issuer_ids)
        for api in apis.values()
        if api.issuer_ids
    }
    cors = build_policies(apis.values())
    gateway_url = str(tables.members.get("gateway_url", "")).rstrip("/")
    return Access(
        metadata=ResourceMetadata(
            apis.values(),
            issuer=parts.issuer,
            gateway_url=gateway_url,
            issuers=issuers,
            jwks=parts.jwks,
            takes_certificates=parts.takes_certificates,
        ),
        cors=cors,
        issuers=issuers,
        gateway_url=gateway_url,
        cors_by_path=tuple(
            sorted(((f"{apis[key].base_path}/".encode(), cors[key]) for key in cors), key=_longest)
        ),
    )


def _longest(row: tuple[bytes, CORSPolicy]) -> int:
    return -len(row[0])


def _is_other_catalog(tables: Tables, held: Tables) -> bool:
    return held.members != tables.members or any(
        held.rows[kind] is not rows
        for kind, rows in tables.rows.items()
        if kind not in {"plans", "subscriptions"}
    )


def _router(tables: Tables, previous: Configuration | None) -> Steps[Router]:
    if previous is not None and previous.apis is tables.rows["apis"]:
        return previous.router
    try:
        return (
            yield from make_router(
                tables.rows["apis"].values(), None if previous is None else previous.router
            )
        )
    except BadTemplate as error:
        raise MalformedSnapshot(f"apis: {error}") from error


def _upstream_clients(
    tables: Tables, previous: Configuration | None, upstreams: Upstreams
) -> Steps[Mapping[str, Client]]:
    """Return the clients by upstream id; those that are needed no more are closed."""
    if previous is not None and previous.tables.rows["upstreams"] is tables.rows["upstreams"]:
        return previous.upstream_clients
    clients: dict[Upstream, Client] = {}
    for upstream in tables.rows["upstreams"].values():
        try:
            clients.update(upstreams.make((upstream,)))
        except ValueError as error:
            raise MalformedSnapshot(f"upstreams: {error}") from error
        yield
    upstreams.keep_only(clients)
    return {upstream.id: client for upstream, client in clients.items()}


def _check_plan(plan: Plan) -> None:
    for limit in plan.rate_limits:
        _check_rate_limit(plan, limit)
    for quota in plan.quotas:
        if quota.limit < 0 or quota.period not in PERIODS or quota.overage not in OVERAGES:
            raise MalformedSnapshot(f"plans: {plan.id}: {quota.name}: unknown period or overage.")
        if quota.throttle is not None:
            _check_rate_limit(plan, quota.throttle)
        try:
            ZoneInfo(quota.timezone)
        except (ValueError, OSError, KeyError) as error:
            raise MalformedSnapshot(f"plans: {plan.id}: unknown time zone.") from error


def _check_rate_limit(plan: Plan, limit: RateLimit) -> None:
    if limit.limit <= 0 or limit.window_seconds <= 0 or limit.burst <= 0:
        raise MalformedSnapshot(
            f"plans: {plan.id}: {limit.name}: limit, window and burst must be above 0."
        )
    if limit.per not in PER:
        raise MalformedSnapshot(f"plans: {plan.id}: {limit.name}: per: unknown {limit.per!r}.")
