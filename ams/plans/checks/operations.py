"""Operations that limits name: they must be there, or the limit would hold for nobody."""

from ams.catalog.models import Operation
from ams.field_checks import FieldChecks, suggest
from ams.plans.models import Product
from ams.plans.specs import PlanSpec


def check_operations(spec: PlanSpec, product: Product, checks: FieldChecks) -> None:
    """Add a problem for each name that is no operation of the product's APIs. Runs a query."""
    if not any(limit.operations for limit in spec.rate_limits):
        return
    known = known_operations(product)
    for at, limit in enumerate(spec.rate_limits):
        for index, name in enumerate(limit.operations):
            if name not in known:
                checks.add(
                    f"{name!r} is no operation of an API of {spec.product!r}."
                    f"{suggest(name, known)}",
                    "rate_limits",
                    at,
                    "operations",
                    index,
                )


def known_operations(product: Product) -> frozenset[str]:
    """Return every operation of the product by both of its names. Runs a query."""
    found = Operation.objects.filter(api__products=product)
    pairs = found.values_list("api__slug", "operation_id")
    return frozenset(name for api, plain in pairs for name in (plain, f"{api}/{plain}"))
