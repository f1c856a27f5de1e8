"""A snapshot made ready for calls: replaced as a whole, never changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from gateway.dataplane.allowances import Allowances
from gateway.dataplane.entitlements import Entitlements, build_entitlements
from gateway.dataplane.resource_metadata import ResourceMetadata
from gateway.dataplane.routing import BadTemplate, Router
from gateway.dataplane.upstreams import Upstreams
from gateway.upstream.client import UpstreamClient
from wire.calendar_period import PERIODS
from wire.gateway_snapshot import OVERAGES, PER, GatewaySnapshot, Plan, RateLimit
from wire.snapshot_document import MalformedSnapshot


@dataclass(frozen=True, slots=True, eq=False)
class Configuration:
    """What one version of the configuration allows. Compared by identity."""

    version: int
    router: Router
    entitlements: Entitlements
    clients: Mapping[str, UpstreamClient]  # by API id
    total_timeouts: Mapping[str, float]  # seconds, by API id; 0: no limit
    metadata: ResourceMetadata


def prepare_configuration(
    snapshot: GatewaySnapshot, *, upstreams: Upstreams, allowances: Allowances, issuer: str = ""
) -> Configuration:
    """Return the configuration of `snapshot`. Raises MalformedSnapshot, with nothing changed.

    `issuer` is where clients are sent for tokens (RFC 9728); empty: they are told nothing.
    """
    for plan in snapshot.plans:
        _check_plan(plan)
    try:
        router = Router(snapshot.apis)
        clients = upstreams.make(snapshot.upstreams)
    except BadTemplate as error:
        raise MalformedSnapshot(f"apis: {error}") from error
    except ValueError as error:
        raise MalformedSnapshot(f"upstreams: {error}") from error
    by_id = {upstream.id: client for upstream, client in clients.items()}
    total = {upstream.id: upstream.total_timeout_seconds for upstream in snapshot.upstreams}
    upstreams.keep_only(clients)
    return Configuration(
        version=snapshot.version,
        router=router,
        entitlements=build_entitlements(snapshot, allowances),
        clients={api.id: by_id[api.upstream_id] for api in snapshot.apis},
        total_timeouts={api.id: total[api.upstream_id] for api in snapshot.apis},
        metadata=ResourceMetadata(snapshot.apis, issuer=issuer, gateway_url=snapshot.gateway_url),
    )


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
