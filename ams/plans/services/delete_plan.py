"""Take a plan away that nobody ever used."""

import uuid

from django.db import transaction
from django.db.models import ProtectedError

from ams.catalog.services.raise_configuration_version import raise_configuration_version
from ams.errors import InUse, NotFound
from ams.plans.models import Plan


@transaction.atomic
def delete_plan(*, plan_id: uuid.UUID) -> None:
    """Delete the plan. Raises NotFound, and InUse when it was ever subscribed to."""
    raise_configuration_version()
    try:
        deleted, _ = Plan.objects.filter(pk=plan_id).delete()
    except ProtectedError as error:
        raise InUse(
            "The plan has or had subscriptions, which invoices refer to: unpublish it instead."
        ) from error
    if not deleted:
        raise NotFound(f"There is no plan {plan_id}.")
