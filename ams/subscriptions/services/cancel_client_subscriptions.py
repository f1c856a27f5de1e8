"""An application went away at the token service."""

from django.db import transaction

from ams.subscriptions.checks.subscription import OPEN
from ams.subscriptions.models import Subscription
from ams.subscriptions.services.cancel_subscription import cancel_subscription


@transaction.atomic
def cancel_client_subscriptions(*, client_id: str) -> int:
    """Return how many open subscriptions of the client were ended."""
    open_ones = Subscription.objects.filter(client_id=client_id, status__in=OPEN)
    identifiers = list(open_ones.select_for_update().values_list("pk", flat=True))
    for identifier in identifiers:
        cancel_subscription(subscription_id=identifier, reason="The application was deleted.")
    return len(identifiers)
