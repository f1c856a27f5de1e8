"""An application subscribes to a plan."""

import uuid

from ams import api as ams_api
from ams.data import SubscriptionData
from portal.models import Application
from portal.subscriber import subscriber_of


def subscribe_application(*, application: Application, plan_id: uuid.UUID) -> SubscriptionData:
    """Return the subscription, pending where the plan needs approval.

    Raises ams.errors.AlreadySubscribed and NotFound.
    """
    return ams_api.subscribe_to_plan(
        subscriber=subscriber_of(application.developer),
        client_id=application.client_id,
        application_name=application.name,
        plan_id=plan_id,
    )
