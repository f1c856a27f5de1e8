import dataclasses
import json

import pytest
from rest_framework.test import APIClient

from ams.catalog.models import API, ConfigurationVersion, ResourceRegistration
from ams.catalog.specs import (
    APISpec,
    HealthSpec,
    OperationSpec,
    ScopeSpec,
    TargetSpec,
    UpstreamSpec,
)
from ams.http.management import serializers
from ams.http.management.requests import NewSubscription, OpenAPIImport
from ams.plans.models import Plan
from ams.plans.specs import (
    ComponentSpec,
    PlanSpec,
    ProductSpec,
    QuotaSpec,
    RateLimitSpec,
    ThrottleSpec,
    TierSpec,
)
from ams.subscriptions.models import Subscription
from tests.factories.catalog import make_api, make_plan, make_product

pytestmark = pytest.mark.django_db

UPSTREAM = {"slug": "orders", "url": "http://127.0.0.1:9100", "allow_internal": True}
API_BODY = {
    "slug": "orders",
    "name": "Orders",
    "base_path": "/orders/v1",
    "upstream": "orders",
    "scopes": [{"name": "orders:read"}],
    "operations": [
        {"operation_id": "list", "method": "GET", "path": "/orders", "scopes": ["orders:read"]}
    ],
}
PLAN = {
    "slug": "growth",
    "name": "Growth",
    "rate_limits": [{"calls": 10}, {"name": "each", "calls": 5, "per": "user"}],
    "quotas": [
        {"calls": 1000, "overage": "bill"},
        {
            "name": "day",
            "calls": 90,
            "period": "day",
            "overage": "throttle",
            "throttle": {"calls": 1},
        },
    ],
    "billable": {"statuses": ["2xx", "404"]},
    "components": [
        {"kind": "flat_fee", "label": "Fee", "amount_minor": 2900},
        {
            "kind": "graduated",
            "label": "Calls",
            "tiers": [{"up_to": 10, "unit_price": "0.0020"}, {"unit_price": 0.001}],
        },
    ],
}


def put(client, address, body):
    return client.put(f"/api/v1/{address}", body, format="json")


def post(client, address, body=None):
    return client.post(f"/api/v1/{address}", body or {}, format="json")


def test_catalog_is_built_read_changed_and_taken_away(manager):
    assert post(manager, "upstreams", UPSTREAM).status_code == 201
    created = post(manager, "apis", API_BODY)
    assert created.status_code == 201
    assert created.json()["operations"][0]["scopes"] == ["orders:read"]
    product = {"slug": "orders", "name": "Orders", "apis": ["orders"]}
    assert post(manager, "products", product).status_code == 201
    plan = post(manager, "products/orders/plans", PLAN).json()
    assert plan["components"][1]["tiers"][0] == {"up_to": 10, "unit_price": "0.002"}
    assert plan["billable"] == {"statuses": ["2xx", "404"], "causes": ["upstream"]}
    assert plan["rate_limits"][0] == {
        "name": "rate",
        "calls": 10,
        "window_seconds": 60,
        "burst": None,
        "per": "subscription",
        "each_operation": False,
        "operations": [],
    }
    assert plan["quotas"][1]["throttle"] == {"calls": 1, "window_seconds": 60}

    renamed = put(manager, "apis/orders", API_BODY | {"name": "New"}).json()
    assert (renamed["name"], renamed["id"]) == ("New", created.json()["id"])
    listed = manager.get("/api/v1/apis").json()
    assert [row["name"] for row in listed["results"]] == ["New"]
    assert manager.get("/api/v1/products/orders/plans/growth").json() == plan

    assert manager.delete("/api/v1/upstreams/orders").status_code == 409
    for address in ("products/orders/plans/growth", "products/orders", "apis/orders"):
        assert manager.delete(f"/api/v1/{address}").status_code == 204
    assert manager.delete("/api/v1/upstreams/orders").status_code == 204


def test_answer_can_be_sent_back_and_changes_nothing(manager):
    make_plan()
    for address in ("upstreams/orders", "apis/orders", "products/orders"):
        body = manager.get(f"/api/v1/{address}").json()
        del body["id"]

        assert put(manager, address, body).json() | {"id": 0} == body | {"id": 0}


def test_change_raises_the_version_and_tells_the_token_service(
    manager, token_service, django_capture_on_commit_callbacks
):
    make_api()
    before = ConfigurationVersion.objects.get().version

    with django_capture_on_commit_callbacks(execute=True):
        put(manager, "apis/orders", API_BODY | {"claims": ["email"]})

    assert ConfigurationVersion.objects.get().version == before + 1
    resource = ResourceRegistration.objects.get().resource
    assert token_service.resources[resource]["claims"] == ["email"]


def test_unusable_fields_are_told_by_pointer(manager):
    make_api()

    answer = put(manager, "apis/orders", API_BODY | {"base_path": "x", "operations": [{}]})

    assert answer.status_code == 422
    assert answer["Content-Type"] == "application/problem+json"
    pointers = {row["pointer"] for row in answer.json()["errors"]}
    assert pointers == {"/operations/0"}


def test_unknown_member_is_refused_with_a_proposal(manager):
    answer = post(manager, "upstreams", UPSTREAM | {"ulr": "x"})

    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["pointer"] == "/ulr"
    assert "Did you mean 'url'?" in error["detail"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"slug": "a\\ud800", "url": "http://a"}',
        b'{"slug": "a\\u0000", "url": "http://a"}',
        b'{"slug": "a", "url": "http://\\ud800"}',
        b'{"slug": "a", "url": "http://a", "connect_timeout_seconds": 1e999}',
        b"[]",
        b'"text"',
        b"null",
    ],
)
def test_hostile_body_is_unusable_not_a_fault(manager, body):
    answer = manager.post("/api/v1/upstreams", body, content_type="application/json")

    assert answer.status_code == 422


@pytest.mark.parametrize("name", ["name", "description", "upstream", "openapi"])
@pytest.mark.parametrize("bad", ["\x00", "\ud800"])
def test_text_that_cannot_be_stored_is_unusable_not_a_fault(manager, name, bad):
    make_api()
    value = {"paths": {bad: 1}} if name == "openapi" else bad
    body = json.dumps(API_BODY | {name: value})

    answer = manager.put("/api/v1/apis/orders", body, content_type="application/json")

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == f"/{name}"


def test_escaped_nul_in_a_pattern_of_openapi_is_just_text(manager):
    make_api()
    body = API_BODY | {"openapi": {"paths": {}, "pattern": "[^\\u0000]"}}

    assert put(manager, "apis/orders", body).status_code == 200


def test_json_that_is_none_is_a_bad_request(manager):
    answer = manager.post("/api/v1/upstreams", b"{", content_type="application/json")

    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/bad-request")


def test_other_media_type_is_told_so(manager):
    answer = manager.post("/api/v1/upstreams", b"a=b", content_type="text/plain")

    assert answer.status_code == 415


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [
        ("get", "apis/missing", 404),
        ("get", "products/missing/plans", 404),
        ("patch", "apis/missing", 405),
        ("get", "subscriptions/0190a1b2-0000-7000-8000-000000000000", 404),
        ("get", "subscriptions?client_id=%00", 200),
    ],
)
def test_status_says_what_is_wrong(manager, method, address, status):
    answer = getattr(manager, method)(f"/api/v1/{address}")

    assert answer.status_code == status
    assert answer["Cache-Control"] == "no-store"


def test_impossible_limit_is_told_by_pointer(manager):
    make_product()
    limits = {"rate_limits": [{"calls": 10}, {"name": "b", "calls": 0, "per": "x"}]}

    answer = post(manager, "products/orders/plans", PLAN | limits)

    assert answer.status_code == 422
    pointers = {row["pointer"] for row in answer.json()["errors"]}
    assert pointers == {"/rate_limits/1/calls", "/rate_limits/1/per"}


def test_one_limit_of_each_may_be_written_as_before(manager):
    make_product()
    old = {"slug": "old", "name": "Old", "rate_limit": {"calls": 10}, "quota": {"calls": 5}}

    answer = post(manager, "products/orders/plans", old).json()

    assert [row["calls"] for row in answer["rate_limits"]] == [10]
    assert [row["calls"] for row in answer["quotas"]] == [5]


def test_slug_in_use_is_told(manager):
    post(manager, "upstreams", UPSTREAM)

    answer = post(manager, "upstreams", UPSTREAM)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/slug"


def test_subscription_waits_is_approved_suspended_resumed_and_cancelled(manager):
    make_plan(requires_approval=True)
    body = {
        "client_id": "c1",
        "product": "orders",
        "plan": "free",
        "subscriber": {"subject": "person", "email": "a@example.com"},
    }

    created = post(manager, "subscriptions", body)
    address = f"subscriptions/{created.json()['id']}"

    assert (created.status_code, created.json()["status"]) == (201, "pending")
    assert post(manager, "subscriptions", body).status_code == 409
    steps = [("approve", "active"), ("suspend", "suspended"), ("resume", "active")]
    for action, status in [*steps, ("cancel", "cancelled")]:
        assert post(manager, f"{address}/{action}", {}).json()["status"] == status
    assert post(manager, f"{address}/approve").status_code == 409
    listed = manager.get("/api/v1/subscriptions?status=cancelled&client_id=c1").json()
    assert [row["subscriber"]["email"] for row in listed["results"]] == ["a@example.com"]


def test_rejection_keeps_its_reason(manager):
    make_plan(requires_approval=True)
    body = {
        "client_id": "c1",
        "product": "orders",
        "plan": "free",
        "subscriber": {"subject": "person"},
    }
    identifier = post(manager, "subscriptions", body).json()["id"]

    answer = post(manager, f"subscriptions/{identifier}/reject", {"reason": "No contract."})

    assert answer.json()["reason"] == "No contract."
    assert Subscription.objects.get().ended_at is not None


def test_openapi_document_is_imported(manager):
    post(manager, "upstreams", UPSTREAM)
    document = (
        "openapi: 3.0.0\ninfo: {title: Shop, version: '1'}\npaths: {/a: {get: {}, trace: {}}}"
    )

    answer = post(manager, "openapi-imports", {"document": document, "upstream": "orders"})

    assert answer.status_code == 201
    assert answer.json()["api"]["slug"] == "shop"
    assert "trace" in answer.json()["warnings"][0]


def test_malformed_openapi_document_is_told_with_its_line(manager):
    answer = post(manager, "openapi-imports", {"document": "openapi: 3.0.0\npaths: 5"})

    assert answer.status_code == 422
    assert "document:2:8" in answer.json()["detail"]


def test_retired_api_stays_on_record(manager):
    make_api()

    assert post(manager, "apis/orders/retire").json()["state"] == "retired"
    assert API.objects.get().state == "retired"


def test_plan_stays_with_the_product_of_its_address(manager):
    make_product()

    post(manager, "products/orders/plans", PLAN | {"product": "elsewhere"})

    assert Plan.objects.get().product.slug == "orders"


@pytest.mark.parametrize(
    ("spec", "serializer"),
    [
        (UpstreamSpec, serializers.UpstreamSerializer),
        (TargetSpec, serializers.TargetSerializer),
        (HealthSpec, serializers.HealthSerializer),
        (ScopeSpec, serializers.ScopeSerializer),
        (OperationSpec, serializers.OperationSerializer),
        (APISpec, serializers.APISerializer),
        (ProductSpec, serializers.ProductSerializer),
        (RateLimitSpec, serializers.RateLimitSerializer),
        (QuotaSpec, serializers.QuotaSerializer),
        (ThrottleSpec, serializers.ThrottleSerializer),
        (TierSpec, serializers.TierSerializer),
        (ComponentSpec, serializers.ComponentSerializer),
        (PlanSpec, serializers.PlanSerializer),
        (NewSubscription, serializers.NewSubscriptionSerializer),
        (OpenAPIImport, serializers.OpenAPIImportSerializer),
    ],
)
def test_description_names_the_members_that_are_read(spec, serializer):
    described = serializer().fields
    read = {field.name: field for field in dataclasses.fields(spec)}

    assert described.keys() - {"id"} == read.keys()
    for name, field in described.items():
        if not field.read_only:
            assert field.required == (read[name].default is dataclasses.MISSING), name


def test_description_is_openapi_without_warnings(token_service, capsys):
    answer = APIClient().get("/api/schema/", headers={"Accept": "application/json"})

    document = json.loads(answer.content)
    assert document["openapi"].startswith("3.")
    assert "/api/v1/products/{product}/plans/{slug}" in document["paths"]
    assert document["components"]["securitySchemes"]["accessToken"]["scheme"] == "bearer"
    assert "Warning" not in capsys.readouterr().err


def test_documentation_page_needs_no_inline_script_and_no_other_host(client):
    answer = client.get("/api/docs/")

    page = answer.content.decode()
    policy = answer["Content-Security-Policy"]
    assert answer.status_code == 200
    assert "script-src 'self'" in policy
    assert "unsafe-eval" not in policy
    assert "<script>" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


@pytest.mark.parametrize("kind", ["upstreams", "apis", "products", "products/orders/plans"])
def test_what_was_read_can_be_put_back(manager, kind):
    post(manager, "upstreams", UPSTREAM)
    post(manager, "apis", API_BODY)
    post(manager, "products", {"slug": "orders", "name": "Orders", "apis": ["orders"]})
    post(manager, "products/orders/plans", PLAN)
    slug = "growth" if kind.endswith("plans") else "orders"
    read = manager.get(f"/api/v1/{kind}/{slug}").json()

    answer = put(manager, f"{kind}/{slug}", read)

    assert answer.status_code == 200, answer.content
    assert answer.json() == read


def test_upstream_that_does_not_answer_its_health_path_is_refused(manager):
    body = UPSTREAM | {"url": "http://127.0.0.1:1", "health": {"path": "/up"}}

    answer = post(manager, "upstreams", body)

    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["pointer"] == "/health/path"
    body["health"]["check_on_save"] = False
    assert post(manager, "upstreams", body).status_code == 201
