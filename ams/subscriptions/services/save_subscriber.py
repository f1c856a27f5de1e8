"""Keep what is shown of, and billed to, a person of the token service."""

from ams.subscriptions.models import Subscriber
from ams.subscriptions.specs import SubscriberSpec


def save_subscriber(*, spec: SubscriberSpec) -> Subscriber:
    """Return the subscriber with `spec.subject`; an empty name or e-mail address keeps the old one.

    Runs in the caller's transaction.
    """
    subscriber, is_new = Subscriber.objects.get_or_create(
        subject=spec.subject, defaults={"name": spec.name, "email": spec.email}
    )
    name, email = spec.name or subscriber.name, spec.email or subscriber.email
    if not is_new and (name, email) != (subscriber.name, subscriber.email):
        subscriber.name, subscriber.email = name, email
        subscriber.save()
    return subscriber
