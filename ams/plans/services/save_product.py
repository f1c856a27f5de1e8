"""Create or change a product."""

import uuid

from django.db import transaction

from ams.catalog.models import API
from ams.catalog.services.raise_configuration_version import raise_configuration_version
from ams.errors import NotFound
from ams.field_checks import FieldChecks, suggest
from ams.plans.checks.product import check_product
from ams.plans.models import Product
from ams.plans.specs import ProductSpec


@transaction.atomic
def save_product(*, spec: ProductSpec, product_id: uuid.UUID | None = None) -> Product:
    """Return the product exactly as `spec` says; a new one without `product_id`.

    Raises InvalidFields, and NotFound for an unknown `product_id`.
    """
    # First of all: its row lock makes changes one after the other, so that the checks hold.
    raise_configuration_version()
    checks = check_product(spec)
    checks.finish()
    others = Product.objects.exclude(pk=product_id) if product_id else Product.objects.all()
    if others.filter(slug=spec.slug).exists():
        checks.add(f"{spec.slug!r} is already the slug of another product.", "slug")
    apis = _find_apis(spec, checks)
    checks.finish()
    product = Product() if product_id is None else _get(product_id)
    for name in ("slug", "name", "summary", "description", "is_published"):
        setattr(product, name, getattr(spec, name))
    product.save()
    product.apis.set(apis)
    return product


def _find_apis(spec: ProductSpec, checks: FieldChecks) -> list[API]:
    found = {api.slug: api for api in API.objects.filter(slug__in=spec.apis)}
    missing = [(at, slug) for at, slug in enumerate(spec.apis) if slug not in found]
    known = API.objects.values_list("slug", flat=True) if missing else ()
    for at, slug in missing:
        checks.add(f"there is no API {slug!r}.{suggest(slug, known)}", "apis", at)
    return list(found.values())


def _get(product_id: uuid.UUID) -> Product:
    product = Product.objects.filter(pk=product_id).first()
    if product is None:
        raise NotFound(f"There is no product {product_id}.")
    return product
