"""A small catalog for tests, made by the services."""

from decimal import Decimal

from ams.catalog.services.save_api import save_api
from ams.catalog.services.save_upstream import save_upstream
from ams.catalog.specs import APISpec, OperationSpec, ScopeSpec, UpstreamSpec
from ams.plans.services.save_plan import save_plan
from ams.plans.services.save_product import save_product
from ams.plans.specs import ComponentSpec, PlanSpec, ProductSpec


def upstream_spec(**changes):
    spec = {"slug": "orders", "url": "http://127.0.0.1:9100", "allow_internal": True}
    return UpstreamSpec(**(spec | changes))


def api_spec(**changes):
    spec = {
        "slug": "orders",
        "name": "Orders",
        "base_path": "/orders/v1",
        "upstream": "orders",
        "scopes": (ScopeSpec(name="orders:read", description="Read orders"),),
        "operations": (
            OperationSpec(
                operation_id="list_orders", method="GET", path="/orders", scopes=("orders:read",)
            ),
            OperationSpec(operation_id="get_order", method="GET", path="/orders/{order_id}"),
        ),
    }
    return APISpec(**(spec | changes))


def plan_spec(**changes):
    return PlanSpec(**({"product": "orders", "slug": "free", "name": "Free"} | changes))


def paid_component(**changes):
    spec = {"kind": "per_call", "label": "Calls", "unit_price": Decimal("0.002")}
    return ComponentSpec(**(spec | changes))


def make_api(**changes):
    save_upstream(spec=upstream_spec())
    return save_api(spec=api_spec(**changes))


def make_product():
    make_api()
    return save_product(spec=ProductSpec(slug="orders", name="Orders", apis=("orders",)))


def make_plan(**changes):
    make_product()
    return save_plan(spec=plan_spec(**changes))
