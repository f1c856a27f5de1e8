"""Take an API away, with its scopes and operations."""

import uuid

from django.db import transaction

from ams.catalog.models import API
from ams.catalog.services.queue_resource_registration import withdraw_resource
from ams.catalog.services.raise_configuration_version import raise_configuration_version
from ams.errors import NotFound


@transaction.atomic
def delete_api(*, api_id: uuid.UUID) -> None:
    """Delete the API; no token can be made for it afterwards. Raises NotFound."""
    raise_configuration_version()
    api = API.objects.filter(pk=api_id).first()
    if api is None:
        raise NotFound(f"There is no API {api_id}.")
    withdraw_resource(resource=api.resource)
    api.delete()
