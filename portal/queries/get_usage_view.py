"""Usage of one or more subscriptions, as the panels show it."""

from collections.abc import Sequence

from ams import api as ams_api
from ams.data import SubscriptionData
from portal.models import Developer
from portal.subscriber import subscriber_of
from portal.usage_view import UsageView, show_usage


def get_usage_view(*, developer: Developer, subscriptions: Sequence[SubscriptionData]) -> UsageView:
    """Return the last 24 hours of the subscriptions together. Runs queries for each."""
    subscriber = subscriber_of(developer)
    return show_usage(
        [
            (
                subscription,
                ams_api.get_usage(subscriber=subscriber, subscription_id=subscription.id, hours=24),
            )
            for subscription in subscriptions
        ]
    )
