"""Create or change an open subscription as a document says."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from ams.catalog.services.raise_configuration_version import raise_configuration_version
from ams.plans.models import Plan
from ams.subscriptions.checks.subscription import OPEN, check_subscription
from ams.subscriptions.models import Subscription
from ams.subscriptions.services.save_subscriber import save_subscriber
from ams.subscriptions.specs import SubscriptionSpec


@transaction.atomic
def save_subscription(*, spec: SubscriptionSpec) -> Subscription:
    """Return the client's open subscription to the plan, exactly as `spec` says.

    The document is an administrator's word, so neither approval nor publication is asked for.
    Without `activated_at` an active subscription keeps its time, a new one begins now. Raises
    InvalidFields.
    """
    # First of all: its row lock makes changes one after the other, so that the checks hold.
    version = raise_configuration_version(catalog_stays=True)
    checks = check_subscription(spec)
    checks.finish()
    plan = Plan.objects.filter(product__slug=spec.product, slug=spec.plan).first()
    if plan is None:
        checks.add(f"there is no plan {spec.plan!r} of a product {spec.product!r}.", "plan")
    checks.finish()
    assert plan is not None  # noqa: S101 - finish() raised otherwise
    open_ones = Subscription.objects.filter(client_id=spec.client_id, plan=plan, status__in=OPEN)
    subscription = open_ones.first() or Subscription(client_id=spec.client_id, plan=plan)
    subscription.subscriber = save_subscriber(spec=spec.subscriber)
    subscription.application_name = spec.application_name
    subscription.status = spec.status
    subscription.activated_at = _activated_at(subscription, spec)
    subscription.changed_in_version = version
    subscription.save()
    return subscription


def _activated_at(subscription: Subscription, spec: SubscriptionSpec) -> datetime | None:
    if spec.status == Subscription.Status.PENDING:
        return None
    return spec.activated_at or subscription.activated_at or timezone.now()
