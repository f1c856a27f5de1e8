"""A snapshot made ready for calls: replaced as a whole, never changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from gateway.dataplane.allowances import Allowances
from gateway.dataplane.entitlements import Entitlements
from gateway.dataplane.resource_metadata import ResourceMetadata
from gateway.dataplane.routing import BadTemplate, Router, make_router
from gateway.dataplane.upstreams import Client, Upstreams
from gateway.slices import Steps, run_through
from gateway.snapshot_tables import Tables, read_tables
from wire.calendar_period import PERIODS
from wire.gateway_snapshot import API, OVERAGES, PER, GatewaySnapshot, Plan, RateLimit, Upstream
from wire.snapshot_document import MalformedSnapshot


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
    apis: Mapping[str, API]  # by id, as the next two
    clients: Mapping[str, Client]
    total_timeouts: Mapping[str, float]  # seconds; 0: no limit
    metadata: ResourceMetadata


@dataclass(frozen=True, slots=True)
class Parts:
    """What configurations are made with and outlive them."""

    upstreams: Upstreams
    allowances: Allowances
    issuer: str = ""  # where clients are sent for tokens (RFC 9728); empty: they are told nothing


def prepare_configuration(
    snapshot: GatewaySnapshot, *, upstreams: Upstreams, allowances: Allowances, issuer: str = ""
) -> Configuration:
    """Return the configuration of a whole snapshot, without a pause. Raises MalformedSnapshot."""
    tables = run_through(read_tables(snapshot.encode(), Tables()))
    return run_through(make_configuration(tables, None, Parts(upstreams, allowances, issuer)))


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
        clients = yield from _clients(tables, parts.upstreams)
        by_id = {upstream.id: client for upstream, client in clients.items()}
        total = {upstream.id: upstream.total_timeout_seconds for upstream in clients}
        api_clients: Mapping[str, Client] = {
            api.id: by_id[api.upstream_id] for api in apis.values()
        }
        total_timeouts: Mapping[str, float] = {
            api.id: total[api.upstream_id] for api in apis.values()
        }
        metadata = ResourceMetadata(
            apis.values(),
            issuer=parts.issuer,
            gateway_url=str(tables.members.get("gateway_url", "")),
        )
        parts.upstreams.keep_only(clients)
    else:
        api_clients, total_timeouts = previous.clients, previous.total_timeouts
        metadata = previous.metadata
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
        clients=api_clients,
        total_timeouts=total_timeouts,
        metadata=metadata,
    )


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


def _clients(tables: Tables, upstreams: Upstreams) -> Steps[Mapping[Upstream, Client]]:
    clients: dict[Upstream, Client] = {}
    for upstream in tables.rows["upstreams"].values():
        try:
            clients.update(upstreams.make((upstream,)))
        except ValueError as error:
            raise MalformedSnapshot(f"upstreams: {error}") from error
        yield
    return clients


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
