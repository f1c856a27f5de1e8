"""Take an API out of service and keep its record."""

import uuid

from django.db import transaction

from ams.catalog.models import API
from ams.catalog.services.queue_resource_registration import queue_resource_registration
from ams.catalog.services.raise_configuration_version import raise_configuration_version
from ams.errors import NotFound


@transaction.atomic
def retire_api(*, api_id: uuid.UUID) -> API:
    """Return the API, which gateways no longer serve and no token can be made for.

    Raises NotFound. Retiring a retired API changes nothing.
    """
    raise_configuration_version()
    api = API.objects.select_for_update().filter(pk=api_id).first()
    if api is None:
        raise NotFound(f"There is no API {api_id}.")
    api.state = API.State.RETIRED
    api.save(update_fields=["state", "updated_at"])
    queue_resource_registration(api=api)
    return api
