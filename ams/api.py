"""The one door of API management for other packages; only dataclasses of ams.data pass it."""

import uuid
from datetime import datetime

from ams.billing.queries.estimate_period import estimate_period
from ams.billing.queries.get_invoice import get_invoice
from ams.billing.queries.list_invoices import list_invoices
from ams.catalog.queries.api_data import get_api
from ams.data import SubscriberRef, SubscriptionData
from ams.metering.queries.get_usage import get_usage
from ams.metering.queries.list_recent_calls import list_recent_calls
from ams.plans.queries.product_data import get_product, list_products
from ams.subscriptions.queries.subscription_data import (
    get_subscription,
    list_subscriptions,
    subscription_data,
)
from ams.subscriptions.services import cancel_subscription as _cancel_subscription
from ams.subscriptions.services import subscribe_to_plan as _subscribe_to_plan
from ams.subscriptions.services.cancel_client_subscriptions import cancel_client_subscriptions

__all__ = [
    "cancel_client_subscriptions",
    "cancel_subscription",
    "estimate_period",
    "get_api",
    "get_invoice",
    "get_product",
    "get_subscription",
    "get_usage",
    "list_invoices",
    "list_products",
    "list_recent_calls",
    "list_subscriptions",
    "subscribe_to_plan",
]


def subscribe_to_plan(
    *,
    subscriber: SubscriberRef,
    client_id: str,
    application_name: str,
    plan_id: uuid.UUID,
    activated_at: datetime | None = None,
) -> SubscriptionData:
    """Return the new subscription; see the service. Raises NotFound, AlreadySubscribed."""
    return subscription_data(
        _subscribe_to_plan.subscribe_to_plan(
            subscriber=subscriber,
            client_id=client_id,
            application_name=application_name,
            plan_id=plan_id,
            activated_at=activated_at,
        )
    )


def cancel_subscription(
    *, subscriber: SubscriberRef, subscription_id: uuid.UUID
) -> SubscriptionData:
    """Return the subscriber's own subscription, ended. Raises NotFound, InvalidTransition."""
    return subscription_data(
        _cancel_subscription.cancel_subscription(
            subscription_id=subscription_id, subject=subscriber.subject
        )
    )
