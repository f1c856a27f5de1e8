"""The document that gateways enforce (`wire.gateway_snapshot`), read from the database at once.

Many subscriptions are normal, so nothing here is read row by row: a fixed number of statements
yields plain values, and subscriptions go from the cursor straight into JSON.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from uuid import UUID

from django.conf import settings
from django.contrib.postgres.aggregates import ArrayAgg
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q

from ams.catalog.models import API, ConfigurationVersion, Issuer, Operation, Target, Upstream
from ams.catalog.queries.spec_of import spec_of_cors
from ams.plans.models import Plan, Product
from ams.subscriptions.models import Subscription
from wire import gateway_snapshot as wire

# Before the first change there is no row; the first change makes version 2.
_FIRST_VERSION = 1


@dataclass(frozen=True, slots=True)
class EncodedSnapshot:
    """A snapshot as JSON, with its version beside it."""

    version: int
    body: bytes


def read_version() -> int:
    """Return the present version of the configuration. Runs one query."""
    found = ConfigurationVersion.objects.values_list("version", flat=True).first()
    return _FIRST_VERSION if found is None else found


def build_snapshot() -> EncodedSnapshot:
    """Return everything a gateway enforces, all of it as it was at one version.

    APIs that are published; plans that are offered or that an active subscription stands on;
    subscriptions that are active. Runs 10 queries, whatever the size.
    """
    with _one_moment():
        version = read_version()
        snapshot = wire.GatewaySnapshot(
            version=version,
            apis=_read_apis(),
            upstreams=_read_upstreams(),
            plans=_read_plans(),
            issuers=_read_issuers(),
            gateway_url=settings.GATEWAY_URL,
        )
        subscriptions = _read_subscriptions()
    # asdict copies deeply, which 100,000 subscriptions would feel; they are plain already.
    document = asdict(snapshot) | {"subscriptions": subscriptions}
    return EncodedSnapshot(version, json.dumps(document, separators=(",", ":")).encode())


@contextmanager
def _one_moment() -> Iterator[None]:
    """Let every read see one moment; within a caller's transaction its own isolation holds."""
    is_outermost = not connection.in_atomic_block
    with transaction.atomic():
        if is_outermost:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _read_apis() -> tuple[wire.API, ...]:
    operations = defaultdict[UUID, list[wire.Operation]](list)
    published = Operation.objects.filter(api__state=API.State.PUBLISHED).order_by("path", "method")
    for operation in published:
        operations[operation.api_id].append(
            wire.Operation(
                id=operation.operation_id,
                method=operation.method,
                path=operation.path,
                scopes=tuple(operation.scopes),
                acr_values=tuple(operation.acr_values),
                max_auth_age_seconds=operation.max_auth_age_seconds,
            )
        )
    issuer_ids = defaultdict[UUID, list[str]](list)
    links = API.issuers.through.objects.order_by("issuer_id").values_list("api_id", "issuer_id")
    for api_id, issuer_id in links:
        issuer_ids[api_id].append(str(issuer_id))
    # An OpenAPI document may be megabytes, and no gateway reads it.
    apis = (
        API.objects.filter(state=API.State.PUBLISHED)
        .annotate(scope_names=ArrayAgg("scopes__name", order_by="scopes__name", default=[]))
        .defer("openapi", "description")
    )
    return tuple(
        wire.API(
            id=str(api.pk),
            slug=api.slug,
            name=api.name,
            base_path=api.base_path,
            resource=api.resource,
            upstream_id=str(api.upstream_id),
            operations=tuple(operations[api.pk]),
            allow_encoded_slash=api.allow_encoded_slash,
            max_body_bytes=api.max_body_bytes,
            scopes=tuple(name for name in api.scope_names if name),  # null: it has none
            documentation_url=api.documentation_url,
            cors=_cors(api),
            acr_values=tuple(api.acr_values),
            max_auth_age_seconds=api.max_auth_age_seconds,
            requires_bound_tokens=api.requires_bound_tokens,
            requires_dpop_nonce=api.requires_dpop_nonce,
            issuer_ids=tuple(issuer_ids[api.pk]),
            allow_websocket=api.allow_websocket,
            websocket_origins=tuple(api.websocket_origins),
            websocket_idle_seconds=api.websocket_idle_seconds,
        )
        for api in apis.order_by("slug")
    )


def _cors(api: API) -> wire.CORS | None:
    cors = spec_of_cors(api)
    return wire.CORS(**asdict(cors)) if cors else None


def _read_issuers() -> tuple[wire.Issuer, ...]:
    in_use = API.objects.filter(issuers=OuterRef("pk"), state=API.State.PUBLISHED)
    return tuple(
        wire.Issuer(
            id=str(issuer.pk),
            slug=issuer.slug,
            issuer=issuer.issuer,
            jwks_uri=issuer.jwks_uri,
            audience=issuer.audience,
            algorithms=tuple(issuer.algorithms),
            scope_claim=issuer.scope_claim,
            client_id_claim=issuer.client_id_claim,
            clients=tuple(wire.ForeignClient(**row) for row in issuer.clients),
            ca_pem=issuer.ca_pem,
        )
        for issuer in Issuer.objects.filter(Exists(in_use)).order_by("slug")
    )


def _read_upstreams() -> tuple[wire.Upstream, ...]:
    in_use = API.objects.filter(upstream=OuterRef("pk"), state=API.State.PUBLISHED)
    targets = defaultdict[UUID, list[wire.Target]](list)
    for row in Target.objects.order_by("pk"):
        targets[row.upstream_id].append(wire.Target(row.url, row.weight))
    return tuple(
        wire.Upstream(
            id=str(upstream.pk),
            url=upstream.url or targets[upstream.pk][0].url,
            connect_timeout_seconds=upstream.connect_timeout_seconds,
            first_byte_timeout_seconds=upstream.first_byte_timeout_seconds,
            idle_timeout_seconds=upstream.idle_timeout_seconds,
            total_timeout_seconds=upstream.total_timeout_seconds,
            ca_pem=upstream.ca_pem,
            slug=upstream.slug,
            targets=tuple(targets[upstream.pk]),
            allow_internal=upstream.allow_internal,
            eject_after=upstream.eject_after,
            ejection_seconds=upstream.ejection_seconds,
            health=_health(upstream),
        )
        for upstream in Upstream.objects.filter(Exists(in_use)).order_by("slug")
    )


def _health(upstream: Upstream) -> wire.HealthCheck | None:
    if not upstream.health_path:
        return None
    return wire.HealthCheck(
        path=upstream.health_path,
        interval_seconds=upstream.health_interval_seconds,
        timeout_seconds=upstream.health_timeout_seconds,
        healthy_after=upstream.health_healthy_after,
        unhealthy_after=upstream.health_unhealthy_after,
    )


def _read_plans() -> tuple[wire.Plan, ...]:
    api_ids = defaultdict[UUID, list[str]](list)
    links = Product.apis.through.objects.filter(api__state=API.State.PUBLISHED)
    for product_id, api_id in links.order_by("api_id").values_list("product_id", "api_id"):
        api_ids[product_id].append(str(api_id))
    # A plan that is offered no more still holds for those who have it.
    in_use = Subscription.objects.filter(plan=OuterRef("pk"), status=Subscription.Status.ACTIVE)
    plans = Plan.objects.filter(
        Q(is_published=True, product__is_published=True) | Exists(in_use)
    ).order_by("pk")
    return tuple(
        wire.Plan(
            id=str(plan.pk),
            name=plan.name,
            api_ids=tuple(api_ids[plan.product_id]),
            rate_limit=_rate_limit(plan),
            quota=_quota(plan),
        )
        for plan in plans
    )


def _rate_limit(plan: Plan) -> wire.RateLimit | None:
    if plan.rate_limit_calls is None:
        return None
    return wire.RateLimit(
        limit=plan.rate_limit_calls,
        window_seconds=plan.rate_limit_window_seconds,
        burst=plan.rate_limit_burst or plan.rate_limit_calls,
    )


def _quota(plan: Plan) -> wire.Quota | None:
    if plan.quota_calls is None:
        return None
    return wire.Quota(
        limit=plan.quota_calls,
        period=plan.quota_period,
        timezone=plan.timezone,
        overage=plan.quota_overage,
    )


def _read_subscriptions() -> list[dict[str, str]]:
    rows = Subscription.objects.filter(status=Subscription.Status.ACTIVE).order_by("pk")
    return [
        {"id": str(subscription_id), "client_id": client_id, "plan_id": str(plan_id)}
        for subscription_id, client_id, plan_id in rows.values_list("pk", "client_id", "plan_id")
    ]
