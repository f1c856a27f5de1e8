"""An administrator stops a subscription for a while."""

import uuid

from ams.subscriptions.models import Subscription
from ams.subscriptions.services.change_status import change_status


def suspend_subscription(*, subscription_id: uuid.UUID, reason: str = "") -> Subscription:
    """Return the subscription, which gateways refuse until it is resumed.

    Raises NotFound, InvalidTransition.
    """
    return change_status(
        subscription_id=subscription_id,
        allowed_from=[Subscription.Status.ACTIVE],
        to=Subscription.Status.SUSPENDED,
        reason=reason,
    )
