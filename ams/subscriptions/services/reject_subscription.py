"""An administrator turns a waiting subscription down."""

import uuid

from ams.subscriptions.models import Subscription
from ams.subscriptions.services.change_status import change_status


def reject_subscription(*, subscription_id: uuid.UUID, reason: str = "") -> Subscription:
    """Return the subscription with the reason that its subscriber reads.

    Raises NotFound, InvalidTransition.
    """
    return change_status(
        subscription_id=subscription_id,
        allowed_from=[Subscription.Status.PENDING],
        to=Subscription.Status.REJECTED,
        reason=reason,
    )
