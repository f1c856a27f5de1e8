"""Take a product away, with its plans."""

import uuid

from django.db import transaction
from django.db.models import ProtectedError

from ams.catalog.services.raise_configuration_version import raise_configuration_version
from ams.errors import InUse, NotFound
from ams.plans.models import Product


@transaction.atomic
def delete_product(*, product_id: uuid.UUID) -> None:
    """Delete the product and its plans.

    Raises NotFound, and InUse when a plan was ever subscribed to: invoices refer to it.
    """
    raise_configuration_version()
    try:
        deleted, _ = Product.objects.filter(pk=product_id).delete()
    except ProtectedError as error:
        raise InUse(
            "A plan of the product has or had subscriptions: unpublish the product instead."
        ) from error
    if not deleted:
        raise NotFound(f"There is no product {product_id}.")
