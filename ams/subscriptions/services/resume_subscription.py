"""An administrator ends a suspension."""

import uuid

from ams.subscriptions.models import Subscription
from ams.subscriptions.services.change_status import change_status


def resume_subscription(*, subscription_id: uuid.UUID) -> Subscription:
    """Return the subscription, active again. Raises NotFound, InvalidTransition."""
    return change_status(
        subscription_id=subscription_id,
        allowed_from=[Subscription.Status.SUSPENDED],
        to=Subscription.Status.ACTIVE,
    )
