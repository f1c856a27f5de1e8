"""Plans by the names that people know them by."""

import uuid

from ams.errors import NotFound
from ams.field_checks import FieldChecks
from ams.plans.models import Plan


def get_plan_id(*, product: str, slug: str) -> uuid.UUID:
    """Return the id of a product's plan. Raises NotFound, and InvalidFields for what is no slug."""
    checks = FieldChecks()
    checks.slug(product, "product")
    checks.slug(slug, "plan")
    checks.finish()
    found = Plan.objects.filter(product__slug=product, slug=slug).values_list("pk", flat=True)
    for plan_id in found:
        return plan_id
    raise NotFound(f"There is no plan {slug!r} of a product {product!r}.")
