"""What makes a product usable."""

from ams.field_checks import FieldChecks
from ams.plans.specs import ProductSpec


def check_product(spec: ProductSpec) -> FieldChecks:
    """Return what is wrong with `spec` by itself; runs no query."""
    checks = FieldChecks()
    checks.slug(spec.slug, "slug")
    checks.text(spec.name, "name", longest=128, required=True)
    checks.text(spec.summary, "summary", longest=256)
    checks.text(spec.description, "description")
    for at, slug in enumerate(spec.apis):
        checks.slug(slug, "apis", at)
    checks.unique(((slug, ("apis", at)) for at, slug in enumerate(spec.apis)), "API")
    return checks
