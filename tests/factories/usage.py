"""Records that usage and invoices need: a product with an API, plans, subscriptions, batches."""

import itertools
from datetime import UTC, datetime

from ams.catalog.models import API, ConfigurationVersion, Operation, Upstream
from ams.plans.models import Plan, PriceComponent, Product, Quota, RateLimit
from ams.subscriptions.models import Subscriber, Subscription
from wire.uuid7 import uuid7

_numbers = itertools.count(1)


def make_api(*, state="published", operations=("list_orders", "get_order")) -> API:
    number = next(_numbers)
    upstream = Upstream.objects.create(slug=f"upstream-{number}", url="http://127.0.0.1:9000/v1")
    api = API.objects.create(
        slug=f"api-{number}",
        name=f"API {number}",
        base_path=f"/api-{number}/v1",
        resource=f"https://gateway.example/api-{number}/v1",
        upstream=upstream,
        state=state,
    )
    for operation_id in operations:
        Operation.objects.create(
            api=api,
            operation_id=operation_id,
            method="GET",
            path=f"/{operation_id}",
            scopes=["orders:read"],
        )
    return api


def make_plan(
    *, apis=(), product_published=True, components=(), rate_limits=(), quotas=(), **fields
) -> Plan:
    number = next(_numbers)
    product = Product.objects.create(
        slug=f"product-{number}", name=f"Product {number}", is_published=product_published
    )
    product.apis.set(apis)
    plan = Plan.objects.create(
        product=product, slug=f"plan-{number}", name=f"Plan {number}", **fields
    )
    for position, component in enumerate(components):
        PriceComponent.objects.create(plan=plan, position=position, **component)
    for position, limit in enumerate(rate_limits):
        RateLimit.objects.create(plan=plan, position=position, **limit)
    for position, quota in enumerate(quotas):
        Quota.objects.create(plan=plan, position=position, **quota)
    return plan


def make_subscriber(subject="alice") -> Subscriber:
    return Subscriber.objects.get_or_create(subject=subject)[0]


def make_subscription(*, plan=None, subject="alice", status="active", **fields) -> Subscription:
    fields.setdefault("activated_at", datetime(2026, 1, 1, tzinfo=UTC))
    return Subscription.objects.create(
        subscriber=make_subscriber(subject),
        client_id=f"client-{next(_numbers)}",
        plan=plan or make_plan(),
        status=status,
        **fields,
    )


def make_row(at: datetime, *, subscription_id="s1", **members) -> dict:
    row = {
        "minute": int(at.timestamp()) // 60 * 60,
        "client_id": "c1",
        "subscription_id": str(subscription_id),
        "plan_id": "p1",
        "api_id": "a1",
        "operation_id": "get_order",
        "status": 200,
        "calls": 1,
        "request_bytes": 10,
        "response_bytes": 20,
        "latency_ms": 3,
    }
    return row | members


def make_batch(*rows: dict, batch_id=None) -> dict:
    return {"id": str(batch_id or uuid7()), "node": "gateway-1", "rows": list(rows)}


def set_version(version: int) -> None:
    ConfigurationVersion.objects.update_or_create(
        id=1, defaults={"version": version, "catalog_version": version}
    )
