import json
import threading

import pytest
from django.conf import settings
from django.db import connection, transaction

from ams.catalog.models import API, ConfigurationVersion, Scope, Upstream
from ams.catalog.services.raise_configuration_version import raise_configuration_version
from ams.http import read_configuration as module
from ams.http.snapshot_state import SnapshotState, build_snapshot
from ams.subscriptions.models import Subscription
from gateway.slices import run_through
from gateway.snapshot_tables import Tables, read_tables
from tests.factories.usage import make_api, make_plan, make_subscription, set_version
from wire.gateway_snapshot import GatewaySnapshot, Operation, Quota, RateLimit, parse_snapshot
from wire.snapshot_document import read_head

pytestmark = pytest.mark.django_db

STATEMENTS = 16  # 14, and the savepoint of the test's transaction


def _raise(**options) -> int:
    with transaction.atomic():
        return raise_configuration_version(**options)


def _follow(state: SnapshotState, held: Tables) -> Tables:
    """What a gateway makes of the change that it is sent."""
    state.refresh()
    document = state.document(held.version)
    assert read_head(document).since == held.version
    return run_through(read_tables(document, held))


def _whole(state: SnapshotState) -> Tables:
    return run_through(read_tables(state.document(None), Tables()))


def _snapshot() -> GatewaySnapshot:
    return parse_snapshot(json.loads(build_snapshot().document(None)))


def test_an_empty_installation_has_a_snapshot_of_version_one():
    assert _snapshot() == GatewaySnapshot(version=1, gateway_url=settings.GATEWAY_URL)


def test_websockets_and_the_total_limit_are_in_it():
    api = make_api()
    API.objects.filter(pk=api.pk).update(
        allow_websocket=True, websocket_origins=["https://a.example"], websocket_idle_seconds=60
    )
    Upstream.objects.filter(pk=api.upstream_id).update(total_timeout_seconds=9)

    snapshot = _snapshot()

    (found,), (upstream,) = snapshot.apis, snapshot.upstreams
    assert found.allow_websocket is True
    assert found.websocket_origins == ("https://a.example",)
    assert found.websocket_idle_seconds == 60.0
    assert upstream.total_timeout_seconds == 9.0


def test_everything_that_a_gateway_enforces_is_in_it():
    set_version(7)
    api = make_api()
    plan = make_plan(
        apis=[api],
        rate_limits=[{"calls": 100, "window_seconds": 10, "burst": 20}],
        quotas=[
            {"calls": 5000, "overage": "bill"},
            {
                "name": "day",
                "calls": 100,
                "period": "day",
                "overage": "throttle",
                "throttle_calls": 1,
                "throttle_window_seconds": 10,
            },
        ],
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
    assert found.rate_limits == (RateLimit(limit=100, window_seconds=10, burst=20),)
    assert found.quotas == (
        Quota(5000, "month", "Europe/Berlin", "bill"),
        Quota(100, "day", "Europe/Berlin", "throttle", "day", RateLimit(1, 10, 1, "day-throttle")),
    )
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
    make_plan(rate_limits=[{"calls": 60}])

    assert _snapshot().plans[0].rate_limits == (RateLimit(60, 60, 60),)


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
    make_subscription(plan=plan)

    assert [found.id for found in _snapshot().plans] == [str(plan.pk)]


def test_statements_do_not_grow_with_what_is_in_it(django_assert_num_queries):
    with django_assert_num_queries(STATEMENTS):
        build_snapshot()
    for _ in range(5):
        plan = make_plan(apis=[make_api(), make_api()])
        for _ in range(3):
            make_subscription(plan=plan)

    with django_assert_num_queries(STATEMENTS):
        document = build_snapshot().document(None)

    assert len(json.loads(document)["subscriptions"]) == 15


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

    def read_while_changing(only):
        thread = threading.Thread(target=change)
        thread.start()
        thread.join()
        monkeypatch.setattr(module, "_read_apis", read_apis)
        return read_apis(only)

    monkeypatch.setattr(module, "_read_apis", read_while_changing)

    first, second = _snapshot(), _snapshot()

    assert (first.version, len(first.subscriptions)) == (3, 1)
    assert (second.version, len(second.subscriptions)) == (4, 2)


def test_a_change_of_subscriptions_is_sent_alone_and_reads_them_alone(django_assert_num_queries):
    plan = make_plan()
    kept, gone = make_subscription(plan=plan), make_subscription(plan=plan, subject="bob")
    set_version(5)
    state = build_snapshot()
    held = _whole(state)
    version = _raise(catalog_stays=True)
    new = make_subscription(plan=plan, subject="carol", changed_in_version=version)
    Subscription.objects.filter(pk=gone.pk).update(status="suspended", changed_in_version=version)

    with django_assert_num_queries(5):  # 3, and the savepoint of the test's transaction
        state.refresh()
    document = state.document(5)
    now = run_through(read_tables(document, held))

    assert len(document) < len(state.document(None))
    assert json.loads(document)["apis"] == json.loads(document)["plans"] == []
    assert set(now.rows["subscriptions"]) == {str(kept.pk), str(new.pk)}
    assert now.digest == _whole(build_snapshot()).digest


def test_a_change_of_the_catalog_leads_to_the_whole():
    first, second = make_api(), make_api()
    make_subscription(plan=make_plan(apis=[first, second]))
    set_version(5)
    state = build_snapshot()
    held = _whole(state)
    API.objects.filter(pk=first.pk).update(name="New", state=API.State.RETIRED)
    make_api()
    _raise()

    now = _follow(state, held)

    assert now.digest == _whole(build_snapshot()).digest
    assert now.rows["apis"][str(second.pk)] is held.rows["apis"][str(second.pk)]
    assert str(first.pk) not in now.rows["apis"]


def test_a_gateway_that_is_several_versions_behind_gets_one_change():
    set_version(5)
    state = build_snapshot()
    held = _whole(state)
    for subject in ("alice", "bob", "carol"):
        make_subscription(subject=subject, changed_in_version=_raise())
        state.refresh()

    now = _follow(state, held)

    assert (now.version, len(now.rows["subscriptions"])) == (8, 3)
    assert now.digest == _whole(build_snapshot()).digest


def test_gateways_of_many_old_versions_share_one_whole():
    set_version(2000)
    state = build_snapshot()

    for after in range(1, 1000):
        assert state.document(after) is state.document(None)


def test_of_changes_only_so_many_are_kept():
    plan = make_plan()
    set_version(5)
    ConfigurationVersion.objects.update(version=2000)
    make_subscription(plan=plan, changed_in_version=_raise(catalog_stays=True))
    state = build_snapshot()
    changes = {after: state.document(after) for after in range(1000, 1100)}

    kept = [after for after, document in changes.items() if state.document(after) is document]

    assert all(read_head(document).since == after for after, document in changes.items())
    assert 0 < len(kept) < 100


def test_a_process_that_has_just_started_sends_changes_of_subscriptions_alone():
    set_version(5)
    plan = make_plan()
    held = _whole(build_snapshot())
    make_subscription(plan=plan, changed_in_version=_raise(catalog_stays=True))

    state = build_snapshot()
    now = _follow(state, held)

    assert now.digest == _whole(state).digest
    _raise()
    assert read_head(build_snapshot().document(5)).since is None  # the catalog may be another


def test_a_subscription_that_was_changed_without_its_version_is_found(caplog):
    set_version(5)
    gone = make_subscription()
    state = build_snapshot()
    held = _whole(state)
    Subscription.objects.filter(pk=gone.pk).delete()
    _raise(catalog_stays=True)

    now = _follow(state, held)

    assert now.rows["subscriptions"] == {}
    assert "without their version" in caplog.text


def test_a_restored_database_is_read_as_a_whole():
    set_version(9)
    make_subscription()
    state = build_snapshot()
    Subscription.objects.all().delete()
    set_version(4)

    state.refresh()

    assert state.version == 4
    assert _whole(state).digest == _whole(build_snapshot()).digest
    assert read_head(state.document(3)).since is None


def test_limits_name_the_operations_of_the_products_apis():
    first, second = make_api(operations=["get", "put"]), make_api(operations=["get"])
    make_api(operations=["get"])  # of no product
    limit = {"calls": 1, "operations": ["get", f"{first.slug}/put", "gone"], "per": "user"}
    make_plan(apis=[first, second], rate_limits=[limit, {"name": "all", "calls": 9}])

    named, everything = _snapshot().plans[0].rate_limits

    assert named.operations == tuple(
        sorted([f"{first.pk}/get", f"{second.pk}/get", f"{first.pk}/put", "gone"])
    )
    assert (named.per, everything.operations) == ("user", ())


def test_of_the_apis_only_those_that_were_written_are_read_again(monkeypatch):
    first, second = make_api(), make_api()
    set_version(5)
    state = build_snapshot()
    read = []
    read_apis = module._read_apis
    monkeypatch.setattr(module, "_read_apis", lambda only: read.append(only) or read_apis(only))
    # As another program would, which knows of no version: every write makes another mark.
    API.objects.filter(pk=second.pk).update(name="New")
    _raise()

    state.refresh()

    assert read == [[str(second.pk)]]
    assert json.loads(state.document(5))["apis"][0]["name"] == "New"
    assert _whole(state).rows["apis"].keys() == {str(first.pk), str(second.pk)}
