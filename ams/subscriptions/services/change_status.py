"""The one place where a subscription's status changes."""

import uuid
from collections.abc import Collection

from django.db import transaction
from django.utils import timezone

from ams.catalog.services.raise_configuration_version import raise_configuration_version
from ams.errors import InvalidTransition, NotFound
from ams.subscriptions.checks.subscription import OPEN
from ams.subscriptions.models import Subscription


@transaction.atomic
def change_status(
    *,
    subscription_id: uuid.UUID,
    allowed_from: Collection[str],
    to: Subscription.Status,
    reason: str = "",
    subject: str = "",
) -> Subscription:
    """Return the subscription in its new status; gateways learn of it when this commits.

    `subject` bounds the search to one subscriber's own. Raises NotFound, and InvalidTransition
    when the present status is not in `allowed_from`.
    """
    version = raise_configuration_version(catalog_stays=True)
    found = Subscription.objects.filter(pk=subscription_id)
    if subject:
        found = found.filter(subscriber__subject=subject)
    subscription = found.select_related("plan__product", "subscriber").first()
    if subscription is None:
        raise NotFound("There is no such subscription.")
    if subscription.status not in allowed_from:
        raise InvalidTransition(f"A subscription that is {subscription.status} cannot become {to}.")
    subscription.status = to
    subscription.reason = reason.replace("\x00", "")[:256]
    if to == Subscription.Status.ACTIVE and subscription.activated_at is None:
        subscription.activated_at = timezone.now()
    if to not in OPEN:
        subscription.ended_at = timezone.now()
    subscription.changed_in_version = version
    subscription.save()
    return subscription
