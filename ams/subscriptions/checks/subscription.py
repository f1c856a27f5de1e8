"""What makes a subscription usable."""

from typing import Final

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from ams.field_checks import FieldChecks
from ams.subscriptions.models import Subscription
from ams.subscriptions.specs import SubscriberSpec, SubscriptionSpec

OPEN: Final = (
    Subscription.Status.PENDING,
    Subscription.Status.ACTIVE,
    Subscription.Status.SUSPENDED,
)


def check_subscription(spec: SubscriptionSpec) -> FieldChecks:
    """Return what is wrong with `spec` by itself; runs no query."""
    checks = FieldChecks()
    checks.slug(spec.product, "product")
    checks.slug(spec.plan, "plan")
    checks.text(spec.client_id, "client_id", longest=255, required=True)
    checks.text(spec.application_name, "application_name", longest=128)
    checks.choice(spec.status, [status.value for status in OPEN], "status")
    for problem in check_subscriber(spec.subscriber).problems:
        checks.problems.append(problem.below("subscriber"))
    if spec.activated_at is not None and spec.activated_at.tzinfo is None:
        checks.add("a time needs its zone, as in 2026-10-01T00:00:00Z.", "activated_at")
    return checks


def check_subscriber(spec: SubscriberSpec) -> FieldChecks:
    """Return what is wrong with `spec`."""
    checks = FieldChecks()
    checks.text(spec.subject, "subject", longest=255, required=True)
    checks.text(spec.name, "name", longest=128)
    checks.text(spec.email, "email", longest=254)
    if spec.email:
        try:
            validate_email(spec.email)
        except ValidationError:
            checks.add(f"{spec.email!r} is not an e-mail address.", "email")
    return checks
