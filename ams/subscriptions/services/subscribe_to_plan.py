"""A developer picks a plan for an application."""

import uuid
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from ams.catalog.services.raise_configuration_version import raise_configuration_version
from ams.data import SubscriberRef
from ams.errors import AlreadySubscribed, NotFound
from ams.plans.checks.plan import is_free
from ams.plans.models import Plan
from ams.plans.queries.spec_of import spec_of_plan
from ams.subscriptions.checks.subscription import OPEN, check_subscription
from ams.subscriptions.models import Subscription
from ams.subscriptions.services.save_subscriber import save_subscriber
from ams.subscriptions.specs import SubscriberSpec, SubscriptionSpec


@transaction.atomic
def subscribe_to_plan(
    *,
    subscriber: SubscriberRef,
    client_id: str,
    application_name: str,
    plan_id: uuid.UUID,
    activated_at: datetime | None = None,
) -> Subscription:
    """Return the new subscription: active at once when the plan is free, else pending.

    Free means that no component costs anything and that the plan requires no approval.
    `activated_at` is for imports: it makes the subscription active since then. Raises NotFound
    when the plan is not on offer, AlreadySubscribed, and InvalidFields.
    """
    # First of all: its row lock makes two clicks on one button come one after the other.
    version = raise_configuration_version(catalog_stays=True)
    plan = _find_plan(plan_id)
    spec = SubscriptionSpec(
        client_id=client_id,
        product=plan.product.slug,
        plan=plan.slug,
        subscriber=SubscriberSpec(
            subject=subscriber.subject, name=subscriber.name, email=subscriber.email
        ),
        application_name=application_name,
        activated_at=activated_at,
    )
    check_subscription(spec).finish()
    if Subscription.objects.filter(client_id=client_id, plan=plan, status__in=OPEN).exists():
        raise AlreadySubscribed(f"The application already has a subscription to {plan.name}.")
    is_active = activated_at is not None or _is_approved_at_once(plan)
    return Subscription.objects.create(
        subscriber=save_subscriber(spec=spec.subscriber),
        client_id=client_id,
        application_name=application_name,
        plan=plan,
        status=Subscription.Status.ACTIVE if is_active else Subscription.Status.PENDING,
        activated_at=(activated_at or timezone.now()) if is_active else None,
        changed_in_version=version,
    )


def _find_plan(plan_id: uuid.UUID) -> Plan:
    on_offer = Plan.objects.filter(is_published=True, product__is_published=True)
    plan = on_offer.select_related("product").filter(pk=plan_id).first()
    if plan is None:
        raise NotFound("There is no such plan on offer.")
    return plan


def _is_approved_at_once(plan: Plan) -> bool:
    return not plan.requires_approval and is_free(spec_of_plan(plan))
