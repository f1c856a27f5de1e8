"""Mistakes in a configuration are refused when it is saved, at the same field through each door.

The doors are `apply`, the REST API and Django admin. A case is a row as a document has it, beside
a catalog with the API `orders` at /orders/v1, its upstream, product and plan; and the field that
is to be named. What admin's form has otherwise stands in `form` and `form_field`.
"""

import uuid
from dataclasses import dataclass, field

import pytest
import yaml
from django.contrib.auth import get_user_model

from ams.catalog.models import API, ConfigurationVersion, Upstream
from ams.documents.apply_document import apply_document
from ams.errors import InvalidDocument
from ams.plans.models import Product
from tests.factories.catalog import make_plan
from tests.unit.ams.admin_forms import (
    PLAN_FIELDS,
    api_data,
    errors_in,
    limit_rows,
    rows,
    upstream_data,
)
from tests.unit.ams.http.conftest import manager

__all__ = ["manager"]

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Case:
    name: str
    section: str
    row: dict
    path: tuple
    says: str
    form: dict = field(default_factory=dict)
    form_field: str = ""


def operations(*paths, methods=()):
    given = [*methods, *["GET"] * (len(paths) - len(methods))]
    return [
        {"operation_id": f"o{at}", "method": method, "path": path}
        for at, (method, path) in enumerate(zip(given, paths, strict=True))
    ]


def api(name, path, says, **members):
    row = {"slug": "new", "name": "New", "base_path": "/new", "upstream": "orders"}
    return Case(name, "apis", row | members, path, says)


def upstream(name, path, says, *, form_field="", **members):
    row = {"slug": "new", "allow_internal": True} | members
    return Case(name, "upstreams", row, path, says, form_field=form_field)


def plan(name, path, says, *, form_field="", **members):
    row = {"product": "orders", "slug": "new", "name": "New"} | members
    return Case(name, "plans", row, path, says, form_field=form_field)


NOBODY = "http://127.0.0.1:1"  # listens there

CASES = [
    api(
        "two templates of one shape",
        ("operations", 1, "path"),
        "the same method and path",
        operations=operations("/orders/{id}", "/orders/{name}"),
    ),
    api(
        "templates that cross",
        ("operations", 1, "path"),
        "neither is more concrete",
        operations=operations("/orders/{id}", "/{kind}/mine"),
    ),
    api(
        "a rest that crosses",
        ("operations", 1, "path"),
        "overlaps GET /new/{kind}/mine",
        operations=operations("/{kind}/mine", "/orders/{rest*}"),
    ),
    api(
        "a method that any other crosses",
        ("operations", 1, "path"),
        "neither is more concrete",
        operations=operations("/orders/{id}", "/{kind}/mine", methods=["*"]),
    ),
    api(
        "routes over those of an API below",
        ("operations", 0, "path"),
        "overlaps GET /orders/v1/orders of the API 'orders'",
        base_path="/orders",
        operations=operations("/{version}/orders"),
    ),
    api(
        "routes below those of an API above",
        ("operations", 1, "path"),
        "overlaps GET /orders/v1/orders/{order_id} of the API 'orders'",
        base_path="/orders/v1/orders",
        operations=operations("/deeper/things", "/mine"),
    ),
    api("a base path that is taken", ("base_path",), "already", base_path="/orders/v1"),
    api("a base path with an end", ("base_path",), "no trailing one", base_path="/new/"),
    api("a base path with a parameter", ("base_path",), "must look like", base_path="/{x}"),
    api("a base path with dots", ("base_path",), "dot segments", base_path="/a/../b"),
    api("the gateway's own base path", ("base_path",), "own", base_path="/-/new"),
    api("a well-known base path", ("base_path",), "own", base_path="/.well-known/new"),
    Case(
        "an unknown upstream",
        "apis",
        {"slug": "new", "name": "New", "base_path": "/new", "upstream": "nowhere"},
        ("upstream",),
        "nowhere",
        form={"upstream": str(uuid.uuid4())},
    ),
    *(
        api(
            f"the path {path}",
            ("operations", 1, "path"),
            says,
            operations=operations("/fine", path),
        )
        for path, says in (
            ("orders", "must start with /"),
            ("/a/{rest*}/b", "must come last"),
            ("/a/{x", "plain text, or one parameter"),
            ("/a/x}", "plain text, or one parameter"),
            ("/a/{x}y", "plain text, or one parameter"),
            ("/a//b", "empty and dot segments"),
            ("/a/../b", "empty and dot segments"),
            ("/a/%2e", "plain text, or one parameter"),
            ("/{x}/{x}", "occurs twice"),
        )
    ),
    upstream("another scheme", ("url",), "http://host", url="ftp://127.0.0.1"),
    upstream("credentials in the address", ("url",), "credentials", url="http://a:b@127.0.0.1"),
    upstream("an internal address", ("url",), "allow_internal", url=NOBODY, allow_internal=False),
    upstream("a metadata service", ("url",), "never", url="http://169.254.169.254"),
    upstream("no address", ("url",), "needed", url=""),
    upstream(
        "a target without weight",
        ("targets", 0, "weight"),
        "from 1 to 100",
        targets=[{"url": NOBODY, "weight": 0}],
    ),
    upstream(
        "a target twice",
        ("targets", 1, "url"),
        "the same",
        targets=[{"url": NOBODY, "weight": 1}, {"url": NOBODY, "weight": 2}],
    ),
    upstream(
        "a health path that is none",
        ("health", "path"),
        "begins with /",
        form_field="health_path",
        url=NOBODY,
        health={"path": "healthz", "check_on_save": False},
    ),
    upstream(
        "a health path that nobody answers",
        ("health", "path"),
        "cannot be connected to",
        form_field="health_path",
        url=NOBODY,
        health={"path": "/healthz"},
    ),
    upstream(
        "health checks without a pause",
        ("health", "interval_seconds"),
        "from 0.5 to 3600",
        form_field="health_interval_seconds",
        url=NOBODY,
        health={"path": "/healthz", "interval_seconds": 0.1, "timeout_seconds": 0.1},
    ),
    plan(
        "a rate limit of nothing",
        ("rate_limits", 0, "calls"),
        "from 1 to",
        rate_limits=[{"name": "rate", "calls": 0}],
    ),
    plan(
        "a burst of nothing",
        ("rate_limits", 0, "burst"),
        "from 1 to",
        rate_limits=[{"name": "rate", "calls": 10, "burst": 0}],
    ),
    plan(
        "a window of nothing",
        ("rate_limits", 0, "window_seconds"),
        "from 1 to",
        rate_limits=[{"name": "rate", "calls": 10, "window_seconds": 0}],
    ),
    plan(
        "a limit for whom nobody knows",
        ("rate_limits", 0, "per"),
        "is not one of",
        rate_limits=[{"name": "rate", "calls": 10, "per": "planet"}],
    ),
    plan(
        "a quota of nothing",
        ("quotas", 0, "calls"),
        "from 1 to",
        quotas=[{"name": "quota", "calls": 0}],
    ),
    plan(
        "a quota that throttles to what it does not say",
        ("quotas", 0, "throttle"),
        "needed where the overage is throttled",
        quotas=[{"name": "quota", "calls": 10, "overage": "throttle"}],
        form_field="quotas-0-throttle_calls",
    ),
    plan("a time zone that is none", ("timezone",), "time zone", timezone="Mars/Olympus"),
]

by_name = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


@pytest.fixture(autouse=True)
def _catalog(db):
    make_plan()


@by_name
def test_apply_names_the_field_and_saves_nothing(case):
    before = ConfigurationVersion.objects.get().version
    text = yaml.safe_dump({case.section: [case.row]})

    with pytest.raises(InvalidDocument) as refused:
        apply_document(text=text, source="t.yaml", folder=None, environment={})

    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in case.path)
    assert f"{case.section}[0]{name}: " in str(refused.value)
    assert case.says in str(refused.value)
    assert ConfigurationVersion.objects.get().version == before


@by_name
def test_the_api_names_the_field_and_saves_nothing(case, manager):
    before = ConfigurationVersion.objects.get().version
    row = dict(case.row)
    address = f"products/{row.pop('product')}/plans" if case.section == "plans" else case.section

    answer = manager.post(f"/api/v1/{address}", row, format="json")

    assert answer.status_code == 422, answer.content
    found = {error["pointer"]: error["detail"] for error in answer.json()["errors"]}
    pointer = "".join(f"/{part}" for part in case.path)
    assert case.says in found[pointer], found
    assert ConfigurationVersion.objects.get().version == before


@by_name
def test_admin_names_the_field_and_saves_nothing(case, client):
    before = ConfigurationVersion.objects.get().version
    user = get_user_model().objects.create_superuser(
        username="root", email="root@example.com", password="x"
    )
    client.force_login(user)
    address, data = _form(case)

    answer = client.post(address, data | case.form)

    assert answer.status_code == 200
    found = errors_in(answer)
    name = case.form_field or "-".join(map(str, case.path))
    assert name in found, found
    # Django itself refuses a choice that is none, in its own words.
    told = " ".join(found[name])
    assert case.says in told or "valid choice" in told
    assert ConfigurationVersion.objects.get().version == before


def _form(case):
    row = dict(case.row)
    if case.section == "apis":
        given = row.pop("operations", ())
        known = Upstream.objects.filter(slug=row.pop("upstream")).first() or Upstream()
        return "/admin/catalog/api/add/", api_data(known, operations=given, **row)
    if case.section == "upstreams":
        targets = row.pop("targets", ())
        health = {"check_on_save": True, **row.pop("health", {})}
        health["check_on_save"] = "on" if health["check_on_save"] else ""
        row |= {f"health_{name}": value for name, value in health.items()}
        row["allow_internal"] = "on" if row.get("allow_internal") else ""
        return "/admin/catalog/upstream/add/", upstream_data(targets, **row)
    product = Product.objects.get(slug=row.pop("product"))
    return "/admin/plans/plan/add/", {
        **PLAN_FIELDS,
        **rows("components"),
        **limit_rows(row.pop("rate_limits", ()), row.pop("quotas", ())),
        "product": product.pk,
        **row,
    }


def test_what_is_more_concrete_may_stand_beside_what_is_less():
    paths = ("/orders/{id}", "/orders/mine", "/orders/{rest*}", "/{rest*}", "/x")
    row = {
        "slug": "new",
        "name": "New",
        "base_path": "/orders/v2",  # beside /orders/v1, below nothing
        "upstream": "orders",
        "operations": operations(*paths),
    }
    crossing = operations("/{kind}/mine", methods=["POST"])  # another method

    apply_document(
        text=yaml.safe_dump({"apis": [row]}), source="t.yaml", folder=None, environment={}
    )
    row |= {"slug": "newer", "base_path": "/newer"}
    row["operations"] = [*row["operations"], *[one | {"operation_id": "p"} for one in crossing]]
    apply_document(
        text=yaml.safe_dump({"apis": [row]}), source="t.yaml", folder=None, environment={}
    )

    assert API.objects.count() == 3


def test_a_draft_may_overlap_until_it_is_published():
    row = {
        "slug": "new",
        "name": "New",
        "base_path": "/orders",
        "upstream": "orders",
        "state": "draft",
        "operations": operations("/{rest*}"),
    }
    apply_document(
        text=yaml.safe_dump({"apis": [row]}), source="t.yaml", folder=None, environment={}
    )

    with pytest.raises(InvalidDocument, match="overlaps"):
        apply_document(
            text=yaml.safe_dump({"apis": [row | {"state": "published"}]}),
            source="t.yaml",
            folder=None,
            environment={},
        )
