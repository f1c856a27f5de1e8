"""Open subscriptions written back as the services take them."""

from ams.subscriptions.models import Subscription
from ams.subscriptions.specs import SubscriberSpec, SubscriptionSpec


def spec_of_subscription(subscription: Subscription) -> SubscriptionSpec:
    """Return the spec that `save_subscription` would turn into `subscription`."""
    return SubscriptionSpec(
        client_id=subscription.client_id,
        product=subscription.plan.product.slug,
        plan=subscription.plan.slug,
        subscriber=SubscriberSpec(
            subject=subscription.subscriber.subject,
            name=subscription.subscriber.name,
            email=subscription.subscriber.email,
        ),
        application_name=subscription.application_name,
        status=subscription.status,
        activated_at=subscription.activated_at,
    )
