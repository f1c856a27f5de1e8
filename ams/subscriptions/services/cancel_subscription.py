"""A subscriber or an administrator ends a subscription."""

import uuid

from ams.subscriptions.checks.subscription import OPEN
from ams.subscriptions.models import Subscription
from ams.subscriptions.services.change_status import change_status


def cancel_subscription(
    *, subscription_id: uuid.UUID, subject: str = "", reason: str = ""
) -> Subscription:
    """Return the subscription, ended now. What was used until now is still billed.

    `subject` bounds the search to one subscriber's own. Raises NotFound, InvalidTransition.
    """
    return change_status(
        subscription_id=subscription_id,
        allowed_from=OPEN,
        to=Subscription.Status.CANCELLED,
        reason=reason,
        subject=subject,
    )
