"""What gateways enforce (`wire.gateway_snapshot`), read from the database.

Many subscriptions are normal, so nothing here is read row by row: a fixed number of statements
yields plain values.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.contrib.postgres.aggregates import ArrayAgg
from django.db import connection, transaction
from django.db.models import Exists, OuterRef

from ams.catalog.models import API, ConfigurationVersion, Issuer, Operation, Target, Upstream
from ams.catalog.queries.spec_of import spec_of_cors
from ams.plans.models import Plan, Product, Quota, RateLimit
from ams.subscriptions.models import Subscription
from wire import gateway_snapshot as wire

# Before the first change there is no row; the first change makes version 2.
_FIRST_VERSION = 1


@dataclass(frozen=True, slots=True)
class Marks:
    """The present version, and the last one that changed something else than subscriptions."""

    version: int
    catalog_version: int


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything but the subscriptions: rows by kind, and the members that are no rows.

    Of the APIs, `rows` has those whose mark was not known; `api_marks` has all, by id.
    """

    rows: Mapping[str, list[Mapping[str, Any]]]
    members: Mapping[str, Any]
    api_marks: Mapping[str, str]


class SubscriptionRow(NamedTuple):
    """One subscription as gateways need it; they are told of active ones only."""

    id: str
    client_id: str
    plan_id: str
    is_active: bool


def read_marks() -> Marks:
    """Return the marks as they are now. Runs one query."""
    found = ConfigurationVersion.objects.values_list("version", "catalog_version").first()
    return Marks(*found) if found else Marks(_FIRST_VERSION, _FIRST_VERSION)


def read_version() -> int:
    """Return the present version of the configuration. Runs one query."""
    return read_marks().version


def read_catalog(known_apis: Mapping[str, str]) -> Catalog:
    """Return the APIs that are published and what they need, and every plan.

    A plan that is offered no more still holds for those who have it. `known_apis` are marks of an
    earlier reading: 2,000 APIs with their operations take a second, those that changed a moment.
    Runs a fixed number of queries, whatever the size.
    """
    marks = _read_api_marks()
    changed = [
        identifier for identifier, mark in marks.items() if known_apis.get(identifier) != mark
    ]
    snapshot = wire.GatewaySnapshot(
        version=0,
        apis=_read_apis(changed if known_apis else None),
        upstreams=_read_upstreams(),
        plans=_read_plans(),
        issuers=_read_issuers(),
        gateway_url=settings.GATEWAY_URL,
    )
    values = asdict(snapshot)
    rows = {kind: list(values[kind]) for kind in wire.KINDS if kind != "subscriptions"}
    about = {"version", "subscriptions", *rows}
    members = {name: value for name, value in values.items() if name not in about}
    return Catalog(rows, members, marks)


def _read_api_marks() -> dict[str, str]:
    """Return a mark of each published API's row, which every write to the row makes another.

    Operations, scopes and issuers are written together with their API.
    """
    table = API._meta.db_table  # noqa: SLF001 - Django's own name for it
    with connection.cursor() as cursor:
        # xmin: the transaction that wrote the row; ctid: its place, for two writes of one.
        cursor.execute(
            f"SELECT id::text, xmin::text || ctid::text FROM {table} WHERE state = %s",  # noqa: S608
            [API.State.PUBLISHED],
        )
        return dict(cursor.fetchall())


def read_subscriptions() -> list[SubscriptionRow]:
    """Return the active ones."""
    return _select_subscriptions("status = %s", Subscription.Status.ACTIVE)


def read_subscriptions_since(version: int) -> list[SubscriptionRow]:
    """Return those that were changed after `version`, whatever they are now."""
    return _select_subscriptions("changed_in_version > %s", version)


def read_subscription_ids_since(version: int, *, at_most: int) -> list[str] | None:
    """Return the ids of those that were changed after `version`, or None when there are more."""
    newer = Subscription.objects.filter(changed_in_version__gt=version)
    found = list(newer.values_list("pk", flat=True)[: at_most + 1])
    return None if len(found) > at_most else [str(identifier) for identifier in found]


def count_subscriptions() -> int:
    """Return how many are active."""
    return Subscription.objects.filter(status=Subscription.Status.ACTIVE).count()


def _select_subscriptions(condition: str, value: str | int) -> list[SubscriptionRow]:
    table = Subscription._meta.db_table  # noqa: SLF001 - Django's own name for it
    with connection.cursor() as cursor:
        # By hand: 100,000 UUID objects would cost more than all the rest.
        cursor.execute(
            "SELECT id::text, client_id, plan_id::text, status = %s"  # noqa: S608 - our own words
            f" FROM {table} WHERE {condition}",
            [Subscription.Status.ACTIVE, value],
        )
        return [SubscriptionRow(*row) for row in cursor.fetchall()]


@contextmanager
def one_moment() -> Iterator[None]:
    """Let every read see one moment; within a caller's transaction its own isolation holds."""
    is_outermost = not connection.in_atomic_block
    with transaction.atomic():
        if is_outermost:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _read_apis(only: list[str] | None) -> tuple[wire.API, ...]:
    apis = API.objects.filter(state=API.State.PUBLISHED)
    if only is not None:
        apis = apis.filter(pk__in=only)
    operations = defaultdict[UUID, list[wire.Operation]](list)
    published = Operation.objects.filter(api__in=apis).order_by("path", "method")
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
    rows = apis.annotate(
        scope_names=ArrayAgg("scopes__name", order_by="scopes__name", default=[])
    ).defer("openapi", "description")
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
        for api in rows.order_by("slug")
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
    limits, quotas = _read_limits(_read_operation_ids()), _read_quotas()
    plans = Plan.objects.order_by("pk")
    return tuple(
        wire.Plan(
            id=str(plan.pk),
            name=plan.name,
            api_ids=tuple(api_ids[plan.product_id]),
            rate_limits=limits[plan.pk],
            quotas=quotas[plan.pk],
        )
        for plan in plans
    )


def _read_limits(
    operation_ids: Mapping[UUID, Mapping[str, tuple[str, ...]]],
) -> Mapping[UUID, tuple[wire.RateLimit, ...]]:
    limits = defaultdict[UUID, tuple[wire.RateLimit, ...]](tuple)
    for row in RateLimit.objects.select_related("plan").order_by("plan_id", "position", "pk"):
        known = operation_ids[row.plan.product_id]
        limits[row.plan_id] += (
            wire.RateLimit(
                limit=row.calls,
                window_seconds=row.window_seconds,
                burst=row.burst or row.calls,
                name=row.name,
                per=row.per,
                each_operation=row.each_operation,
                # A name that is no operation any more matches nothing, which is not "all".
                operations=tuple(
                    sorted(found for name in row.operations for found in known.get(name, (name,)))
                ),
            ),
        )
    return limits


def _read_operation_ids() -> Mapping[UUID, Mapping[str, tuple[str, ...]]]:
    """Return, by product and by what a limit may call it, the operations meant."""
    names = defaultdict[UUID, defaultdict[str, tuple[str, ...]]](lambda: defaultdict(tuple))
    if not RateLimit.objects.exclude(operations=[]).exists():
        return names
    operations = Operation.objects.filter(api__products__plans__rate_limits__isnull=False)
    columns = ("api__products__pk", "api_id", "api__slug", "operation_id")
    for product_id, api_id, slug, operation_id in operations.values_list(*columns).distinct():
        found = f"{api_id}/{operation_id}"
        for name in (operation_id, f"{slug}/{operation_id}"):
            names[product_id][name] += (found,)
    return names


def _read_quotas() -> Mapping[UUID, tuple[wire.Quota, ...]]:
    quotas = defaultdict[UUID, tuple[wire.Quota, ...]](tuple)
    for row in Quota.objects.select_related("plan").order_by("plan_id", "position", "pk"):
        quotas[row.plan_id] += (
            wire.Quota(
                limit=row.calls,
                period=row.period,
                timezone=row.plan.timezone,
                overage=row.overage,
                name=row.name,
                throttle=_throttle(row),
            ),
        )
    return quotas


def _throttle(row: Quota) -> wire.RateLimit | None:
    if row.throttle_calls is None or row.throttle_window_seconds is None:
        return None
    return wire.RateLimit(
        limit=row.throttle_calls,
        window_seconds=row.throttle_window_seconds,
        burst=row.throttle_calls,
        name=f"{row.name}-throttle",
    )
