import json
import threading

import pytest
from django.conf import settings
from django.db import connection, transaction

from ams.catalog.models import API, Scope
from ams.catalog.services.raise_configuration_version import raise_configuration_version
from ams.http import build_snapshot as module
from ams.http.build_snapshot import build_snapshot
from ams.subscriptions.models import Subscription
from tests.factories.usage import make_api, make_plan, make_subscription, set_version
from wire.gateway_snapshot import GatewaySnapshot, Operation, Quota, RateLimit, parse_snapshot

pytestmark = pytest.mark.django_db


def _snapshot() -> GatewaySnapshot:
    return parse_snapshot(json.loads(build_snapshot().body))


def test_an_empty_installation_has_a_snapshot_of_version_one():
    assert _snapshot() == GatewaySnapshot(version=1, gateway_url=settings.GATEWAY_URL)


def test_everything_that_a_gateway_enforces_is_in_it():
    set_version(7)
    api = make_api()
    plan = make_plan(
        apis=[api],
        rate_limit_calls=100,
        rate_limit_window_seconds=10,
        rate_limit_burst=20,
        quota_calls=5000,
        quota_overage="bill",
        timezone="Europe/Berlin",
    )
    subscription = make_subscription(plan=plan)

    snapshot = _snapshot()

    assert (snapshot.version, build_snapshot().version) == (7, 7)
    (found,) = snapshot.apis
    assert (found.id, found.base_path, found.resource) == (
        str(api.pk),
        api.base_path,
        api.resource,
    )
    assert found.operations == (
        Operation("get_order", "GET", "/get_order", ("orders:read",)),
        Operation("list_orders", "GET", "/list_orders", ("orders:read",)),
    )
    assert [upstream.url for upstream in snapshot.upstreams] == ["http://127.0.0.1:9000/v1"]
    (found,) = snapshot.plans
    assert found.api_ids == (str(api.pk),)
    assert found.rate_limit == RateLimit(limit=100, window_seconds=10, burst=20)
    assert found.quota == Quota(5000, "month", "Europe/Berlin", "bill")
    (found,) = snapshot.subscriptions
    assert (found.id, found.client_id, found.plan_id) == (
        str(subscription.pk),
        subscription.client_id,
        str(plan.pk),
    )


def test_what_an_api_says_of_itself_is_in_it():
    api, silent = make_api(), make_api()
    API.objects.filter(pk=api.pk).update(documentation_url="https://docs.example/orders")
    for name in ("orders:read", "orders:audit"):
        Scope.objects.create(api=api, name=name)

    found = {api.id: api for api in _snapshot().apis}

    assert found[str(api.pk)].scopes == ("orders:audit", "orders:read")
    assert found[str(api.pk)].documentation_url == "https://docs.example/orders"
    assert found[str(silent.pk)].scopes == ()


def test_the_burst_is_the_whole_limit_where_the_plan_names_none():
    make_plan(rate_limit_calls=60)

    assert _snapshot().plans[0].rate_limit == RateLimit(limit=60, window_seconds=60, burst=60)


@pytest.mark.parametrize("state", [API.State.DRAFT, API.State.RETIRED])
def test_an_api_that_is_not_published_is_nowhere_in_it(state):
    hidden, shown = make_api(state=state), make_api()
    make_plan(apis=[hidden, shown])

    snapshot = _snapshot()

    assert [api.id for api in snapshot.apis] == [str(shown.pk)]
    assert snapshot.plans[0].api_ids == (str(shown.pk),)
    assert len(snapshot.upstreams) == 1


@pytest.mark.parametrize("status", ["pending", "rejected", "suspended", "cancelled"])
def test_a_subscription_that_is_not_active_is_left_out(status):
    make_subscription(status=status)

    assert _snapshot().subscriptions == ()


@pytest.mark.parametrize("fields", [{"product_published": False}, {"is_published": False}])
def test_a_plan_that_is_offered_no_more_holds_for_those_who_have_it(fields):
    plan = make_plan(**fields)
    assert _snapshot().plans == ()

    subscription = make_subscription(plan=plan)
    assert [found.id for found in _snapshot().plans] == [str(plan.pk)]

    Subscription.objects.filter(pk=subscription.pk).update(status="cancelled")
    assert _snapshot().plans == ()


def test_statements_do_not_grow_with_what_is_in_it(django_assert_num_queries):
    with django_assert_num_queries(12):  # 10, and the savepoint of the test's transaction
        build_snapshot()
    for _ in range(5):
        plan = make_plan(apis=[make_api(), make_api()])
        for _ in range(3):
            make_subscription(plan=plan)

    with django_assert_num_queries(12):
        snapshot = build_snapshot()

    assert len(json.loads(snapshot.body)["subscriptions"]) == 15


@pytest.mark.django_db(transaction=True)
def test_a_change_during_the_build_is_in_the_next_snapshot_only(monkeypatch):
    set_version(3)
    make_subscription()
    read_apis = module._read_apis

    def change():
        with transaction.atomic():
            make_subscription(subject="bob")
            raise_configuration_version()
        connection.close()

    def read_while_changing():
        thread = threading.Thread(target=change)
        thread.start()
        thread.join()
        monkeypatch.setattr(module, "_read_apis", read_apis)
        return read_apis()

    monkeypatch.setattr(module, "_read_apis", read_while_changing)

    first, second = _snapshot(), _snapshot()

    assert (first.version, len(first.subscriptions)) == (3, 1)
    assert (second.version, len(second.subscriptions)) == (4, 2)
