import io

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model

from ams.catalog.models import API, ConfigurationVersion, Upstream
from ams.catalog.queries.spec_of import spec_of_upstream
from ams.catalog.services.save_upstream import save_upstream
from ams.catalog.specs import HealthSpec, TargetSpec
from ams.data import SubscriberRef
from ams.plans.models import Plan, Product
from ams.plans.queries.spec_of import spec_of_plan
from ams.plans.specs import QuotaSpec, RateLimitSpec, ThrottleSpec
from ams.subscriptions.models import Subscription
from ams.subscriptions.services.subscribe_to_plan import subscribe_to_plan
from tests.factories.catalog import make_api, make_plan, make_product, upstream_spec
from tests.unit.ams.admin_forms import (
    PLAN_FIELDS,
    api_data,
    errors_in,
    limit_rows,
    rows,
    upstream_data,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(client):
    user = get_user_model().objects.create_superuser(
        username="root", email="root@example.com", password="x"
    )
    client.force_login(user)
    return client


def version():
    return ConfigurationVersion.objects.get(pk=1).version


def test_upstream_is_added_changed_and_deleted_through_the_services(admin):
    data = upstream_data(url="http://127.0.0.1:9100", allow_internal="on")

    assert admin.post("/admin/catalog/upstream/add/", data).status_code == 302
    upstream, added = Upstream.objects.get(), version()
    address = f"/admin/catalog/upstream/{upstream.pk}"
    assert admin.post(f"{address}/change/", data | {"url": "https://b"}).status_code == 302
    assert (Upstream.objects.get().url, version()) == ("https://b", added + 1)
    assert admin.post(f"{address}/delete/", {"post": "yes"}).status_code == 302
    assert (Upstream.objects.count(), version()) == (0, added + 2)
    assert LogEntry.objects.count() == 3


def test_upstream_has_targets_and_health_checks(admin):
    data = upstream_data(
        targets=[{"url": "https://a.example", "weight": "3"}, {"url": "https://b.example"}],
        health_path="/healthz",
    )
    data["targets-1-weight"] = "1"

    assert admin.post("/admin/catalog/upstream/add/", data).status_code == 302

    saved = spec_of_upstream(Upstream.objects.get())
    assert saved.targets == (
        TargetSpec(url="https://a.example", weight=3),
        TargetSpec(url="https://b.example"),
    )
    assert saved.health == HealthSpec(path="/healthz", check_on_save=False)


def test_refused_target_is_shown_in_its_row(admin):
    data = upstream_data(
        targets=[
            {"url": "https://a.example", "weight": "0"},
            {"url": "http://127.0.0.1", "weight": "1"},
        ],
        health_path="healthz",
    )

    answer = admin.post("/admin/catalog/upstream/add/", data)

    assert errors_in(answer).keys() == {"targets-0-weight", "targets-1-url", "health_path"}


def test_service_refusal_is_shown_beside_the_field_and_nothing_is_saved(admin):
    save_upstream(spec=upstream_spec())
    before = version()
    upstream = Upstream.objects.get()
    data = upstream_data(url="ftp://x", connect_timeout_seconds="-1")

    answer = admin.post(f"/admin/catalog/upstream/{upstream.pk}/change/", data)

    assert answer.status_code == 200
    assert errors_in(answer).keys() == {"url", "connect_timeout_seconds"}
    assert Upstream.objects.get().url == upstream.url
    assert version() == before


def test_api_is_added_with_scopes_and_operations(admin):
    upstream = save_upstream(spec=upstream_spec())
    data = api_data(
        upstream,
        scopes=[{"name": "orders:read", "description": "Read"}],
        operations=[
            {"operation_id": "a", "method": "GET", "path": "/a", "scopes": "orders:read"},
            {"operation_id": "b", "method": "*", "path": "/b/{rest*}", "scopes": ""},
        ],
    )

    answer = admin.post("/admin/catalog/api/add/", data)

    assert answer.status_code == 302
    api = API.objects.get()
    assert api.tags == ["shop", "demo"]
    assert api.resource.endswith("/orders/v1")
    found = {row.operation_id: (row.method, row.scopes) for row in api.operations.all()}
    assert found == {"a": ("GET", ["orders:read"]), "b": ("*", [])}


def test_websockets_are_allowed_in_admin_and_a_wrong_origin_is_shown_beside_its_field(admin):
    upstream = save_upstream(spec=upstream_spec())
    sockets = {"allow_websocket": "on", "websocket_origins": "https://a.example, https://b.example"}

    answer = admin.post("/admin/catalog/api/add/", api_data(upstream, **sockets))
    assert answer.status_code == 302
    api = API.objects.get()
    wrong = sockets | {"websocket_origins": "https://a.example/page"}
    answer = admin.post(f"/admin/catalog/api/{api.pk}/change/", api_data(upstream, **wrong))

    assert api.allow_websocket
    assert api.websocket_origins == ["https://a.example", "https://b.example"]
    assert api.websocket_idle_seconds == 60.0
    assert errors_in(answer).keys() == {"websocket_origins"}


def test_saved_api_can_be_saved_again_unchanged_and_changed(admin):
    api = make_api(openapi={"openapi": "3.0.0", "paths": {}})
    before = version()
    page = admin.get(f"/admin/catalog/api/{api.pk}/change/")
    data = page.context["adminform"].form.initial | {
        "tags": "",
        "claims": "",
        "upstream": api.upstream_id,
    }
    for prefix, fields in (
        ("scopes", ("id", "api_id", "name", "description")),
        ("operations", ("id", "api_id", "operation_id", "method", "path", "summary")),
    ):
        found = list(getattr(api, prefix).all())
        given = [{name: getattr(row, name) for name in fields} for row in found]
        for row, values in zip(found, given, strict=True):
            values["api"] = values.pop("api_id")
            if prefix == "operations":
                values["scopes"] = ",".join(row.scopes)
        data |= rows(prefix, *given, initial=len(given))
    data["operations-0-DELETE"] = "on"
    data["operations-1-path"] = "/changed"

    answer = admin.post(
        f"/admin/catalog/api/{api.pk}/change/", {k: v for k, v in data.items() if v is not None}
    )

    assert answer.status_code == 302, errors_in(answer)
    assert [row.path for row in api.operations.all()] == ["/changed"]
    assert [row.name for row in api.scopes.all()] == ["orders:read"]
    assert API.objects.get().openapi == {"openapi": "3.0.0", "paths": {}}
    assert version() == before + 1


def test_default_resource_moves_with_the_base_path(admin):
    api = make_api(scopes=(), operations=())
    page = admin.get(f"/admin/catalog/api/{api.pk}/change/")
    assert page.context["adminform"].form.initial["resource"] == ""

    data = api_data(api.upstream, base_path="/orders/v2", resource="")
    admin.post(f"/admin/catalog/api/{api.pk}/change/", data)

    assert API.objects.get().resource.endswith("/orders/v2")


def test_problem_of_a_row_is_shown_in_the_row(admin):
    upstream = save_upstream(spec=upstream_spec())
    data = api_data(
        upstream,
        operations=[
            {"operation_id": "a", "method": "GET", "path": "/a"},
            {"operation_id": "b", "method": "GET", "path": "b", "scopes": "missing"},
        ],
        base_path="/orders/",
    )

    answer = admin.post("/admin/catalog/api/add/", data)

    assert answer.status_code == 200
    assert errors_in(answer).keys() == {"base_path", "operations-1-path", "operations-1-scopes"}
    assert not API.objects.exists()


def test_used_upstream_is_not_deleted(admin):
    api = make_api()

    admin.post(f"/admin/catalog/upstream/{api.upstream_id}/delete/", {"post": "yes"})

    assert Upstream.objects.exists()


def test_api_is_deleted_and_withdrawn(admin):
    api = make_api()
    before = version()

    answer = admin.post(f"/admin/catalog/api/{api.pk}/delete/", {"post": "yes"})

    assert answer.status_code == 302
    assert (API.objects.count(), version()) == (0, before + 1)


def test_product_bundles_apis(admin):
    api = make_api()
    data = {"name": "Orders", "slug": "orders", "is_published": "on", "apis": [api.pk]}

    assert admin.post("/admin/plans/product/add/", data).status_code == 302

    assert list(Product.objects.get().apis.all()) == [api]


def test_plan_is_added_with_its_price(admin):
    product = make_product()
    data = {
        **PLAN_FIELDS,
        "product": product.pk,
        **limit_rows(
            [{"name": "rate", "calls": "10", "burst": "20"},
             {"name": "user", "calls": "5", "per": "user", "operations": "get_order list_orders"}],
            [{"name": "month", "calls": "1000"},
             {"name": "day", "calls": "100", "period": "day", "overage": "throttle",
              "throttle_calls": "1", "throttle_window_seconds": "10"}],
        ),
        **rows(
            "components",
            {"position": 2, "kind": "graduated", "label": "Calls", "included_calls": 0,
             "tiers": "10000: 0.002\n rest: 0.001"},
            {"position": 1, "kind": "flat_fee", "label": "Fee", "included_calls": 0,
             "amount_minor": 2900},
        ),
    }  # fmt: skip

    answer = admin.post("/admin/plans/plan/add/", data)

    assert answer.status_code == 302, errors_in(answer)
    plan = Plan.objects.get()
    assert [row.label for row in plan.components.all()] == ["Fee", "Calls"]
    assert plan.components.get(kind="graduated").tiers == [
        {"up_to": 10000, "unit_price": "0.002"},
        {"up_to": None, "unit_price": "0.001"},
    ]
    assert plan.billable_statuses == ["2xx", "404"]
    assert plan.billable_causes == ["upstream", "client"]
    assert spec_of_plan(plan).rate_limits == (
        RateLimitSpec(calls=10, burst=20),
        RateLimitSpec(name="user", calls=5, per="user", operations=("get_order", "list_orders")),
    )
    assert spec_of_plan(plan).quotas == (
        QuotaSpec(name="month", calls=1000),
        QuotaSpec(
            name="day",
            calls=100,
            period="day",
            overage="throttle",
            throttle=ThrottleSpec(calls=1, window_seconds=10),
        ),
    )
    page = admin.get(f"/admin/plans/plan/{plan.pk}/change/").content.decode()
    assert 'value="2xx,404"' in page
    assert "10000: 0.002\nrest: 0.001" in page
    assert 'value="get_order, list_orders"' in page
    assert (
        "1,000 a month, then block; 100 a day" in admin.get("/admin/plans/plan/").content.decode()
    )


def test_problems_of_a_plan_are_shown_at_their_fields(admin):
    product = make_product()
    data = {
        **PLAN_FIELDS,
        "product": product.pk,
        "timezone": "Mars/Olympus",
        **limit_rows(
            [{"name": "rate", "calls": "0", "operations": "nothing"}],
            [{"name": "a", "calls": "10", "overage": "throttle"},
             {"name": "b", "calls": "10", "period": "day", "overage": "throttle",
              "throttle_calls": "1"}],
        ),
        "billable_statuses": "2xx, 6xx",
        **rows(
            "components",
            {"position": 1, "kind": "graduated", "label": "Calls", "included_calls": 0,
             "tiers": "5: 1\n3: 1\nrest: 1"},
        ),
    }  # fmt: skip

    answer = admin.post("/admin/plans/plan/add/", data)

    found = errors_in(answer).keys()
    assert found == {
        "timezone",
        "rate_limits-0-calls",
        "quotas-0-throttle_calls",
        "quotas-1-throttle_window_seconds",
        "billable_statuses",
        "components-0-tiers",
    }


def test_operation_that_is_not_there_is_shown_at_its_limit(admin):
    data = {
        **PLAN_FIELDS,
        "product": make_product().pk,
        **limit_rows([{"name": "rate", "calls": "1", "operations": "get_order, nothing"}], []),
        **rows("components"),
    }

    answer = admin.post("/admin/plans/plan/add/", data)

    assert errors_in(answer).keys() == {"rate_limits-0-operations"}


@pytest.mark.parametrize(
    ("button", "before", "after"),
    [
        ("approve", "pending", "active"),
        ("reject", "pending", "rejected"),
        ("suspend", "active", "suspended"),
        ("resume", "suspended", "active"),
        ("cancel", "active", "cancelled"),
        ("approve", "cancelled", "cancelled"),
    ],
)
@pytest.mark.parametrize("place", ["list", "page"])
def test_administrator_decides_on_a_subscription(admin, button, before, after, place):
    plan = make_plan()
    subscription = subscribe_to_plan(
        subscriber=SubscriberRef("s"), client_id="c", application_name="App", plan_id=plan.pk
    )
    Subscription.objects.update(status=before)
    version_before = version()
    address = "/admin/subscriptions/subscription/"

    if place == "list":
        data = {"action": button, "_selected_action": [subscription.pk]}
        answer = admin.post(address, data, follow=True)
    else:
        data = {f"subscriptions_subscription_{button}_this": "", "reason": "Because."}
        answer = admin.post(f"{address}{subscription.pk}/change/", data, follow=True)

    assert answer.status_code == 200
    subscription.refresh_from_db()
    assert subscription.status == after
    assert version() == version_before + (before != after)
    if before == after:
        assert "cannot become" in answer.content.decode()


def test_saving_a_subscription_without_a_button_changes_nothing(admin):
    plan = make_plan(requires_approval=True)
    subscription = subscribe_to_plan(
        subscriber=SubscriberRef("s"), client_id="c", application_name="App", plan_id=plan.pk
    )

    admin.post(f"/admin/subscriptions/subscription/{subscription.pk}/change/", {"status": "active"})

    subscription.refresh_from_db()
    assert subscription.status == "pending"


DOCUMENT = "openapi: 3.0.0\ninfo: {title: Shop, version: '1'}\npaths: {/a: {get: {}, trace: {}}}"


@pytest.mark.parametrize("way", ["text", "file"])
def test_openapi_document_is_imported_by_file_or_paste(admin, way):
    upstream = save_upstream(spec=upstream_spec())
    file = io.BytesIO(DOCUMENT.encode())
    file.name = "shop.yaml"
    given = {"text": DOCUMENT} if way == "text" else {"file": file}

    answer = admin.post(
        "/admin/catalog/api/import-openapi/", given | {"upstream": upstream.pk}, follow=True
    )

    assert answer.status_code == 200
    assert API.objects.get().slug == "shop"
    assert "trace" in answer.content.decode()


def test_malformed_openapi_document_is_told_with_its_line(admin):
    answer = admin.post("/admin/catalog/api/import-openapi/", {"text": "openapi: 3.0.0\npaths: 5"})

    assert "document:2:8" in answer.content.decode()


def test_import_asks_for_permission(client):
    user = get_user_model().objects.create_user(
        username="staff", email="s@example.com", password="x", is_staff=True
    )
    client.force_login(user)

    assert client.get("/admin/catalog/api/import-openapi/").status_code == 403


@pytest.mark.parametrize(
    "address",
    [
        "catalog/api/",
        "catalog/api/add/",
        "catalog/api/import-openapi/",
        "catalog/upstream/",
        "catalog/issuer/",
        "catalog/issuer/add/",
        "catalog/resourceregistration/",
        "plans/product/",
        "plans/product/add/",
        "plans/plan/",
        "plans/plan/add/",
        "subscriptions/subscription/",
        "subscriptions/subscriber/",
    ],
)
def test_page_is_shown(admin, address):
    make_plan()
    subscribe_to_plan(
        subscriber=SubscriberRef("s"),
        client_id="c",
        application_name="App",
        plan_id=Plan.objects.get().pk,
    )

    assert admin.get(f"/admin/{address}").status_code == 200
