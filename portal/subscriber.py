"""How API management knows a developer."""

from ams.data import SubscriberRef
from portal.models import Developer


def subscriber_of(developer: Developer) -> SubscriberRef:
    return SubscriberRef(subject=developer.subject, email=developer.email, name=developer.name)
