"""An administrator lets a waiting subscription in."""

import uuid

from ams.subscriptions.models import Subscription
from ams.subscriptions.services.change_status import change_status


def approve_subscription(*, subscription_id: uuid.UUID) -> Subscription:
    """Return the subscription, active from now on. Raises NotFound, InvalidTransition."""
    return change_status(
        subscription_id=subscription_id,
        allowed_from=[Subscription.Status.PENDING],
        to=Subscription.Status.ACTIVE,
    )
