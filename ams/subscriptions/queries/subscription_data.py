"""Subscriptions as their subscribers see them."""

import uuid

from django.db.models import QuerySet

from ams.data import SubscriberRef, SubscriptionData
from ams.errors import NotFound
from ams.plans.queries.product_data import plan_data
from ams.subscriptions.models import Subscription


def list_subscriptions(
    *, subscriber: SubscriberRef, client_id: str = ""
) -> tuple[SubscriptionData, ...]:
    """Return the subscriber's subscriptions, the newest first; of one client if it is named."""
    found = _own(subscriber)
    if client_id:
        found = found.filter(client_id=client_id)
    return tuple(map(subscription_data, found.order_by("-created_at", "-pk")))


def get_subscription(*, subscriber: SubscriberRef, subscription_id: uuid.UUID) -> SubscriptionData:
    """Return one subscription of the subscriber. Raises NotFound, also for another person's."""
    subscription = _own(subscriber).filter(pk=subscription_id).first()
    if subscription is None:
        raise NotFound("There is no such subscription.")
    return subscription_data(subscription)


def subscription_data(subscription: Subscription) -> SubscriptionData:
    """Return `subscription` with its plan."""
    return SubscriptionData(
        id=subscription.id,
        client_id=subscription.client_id,
        application_name=subscription.application_name,
        plan=plan_data(subscription.plan),
        status=subscription.status,
        reason=subscription.reason,
        created_at=subscription.created_at,
        activated_at=subscription.activated_at,
        ended_at=subscription.ended_at,
    )


def _own(subscriber: SubscriberRef) -> QuerySet[Subscription]:
    found = Subscription.objects.filter(subscriber__subject=subscriber.subject)
    return found.select_related("plan__product").prefetch_related(
        "plan__components", "plan__rate_limits", "plan__quotas"
    )
