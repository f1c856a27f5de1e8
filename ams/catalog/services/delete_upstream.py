"""Take an upstream away that no API uses."""

import uuid

from django.db import transaction

from ams.catalog.models import API, Upstream
from ams.catalog.services.raise_configuration_version import raise_configuration_version
from ams.errors import InUse, NotFound


@transaction.atomic
def delete_upstream(*, upstream_id: uuid.UUID) -> None:
    """Delete the upstream. Raises NotFound, and InUse while an API names it, also a retired one."""
    raise_configuration_version()
    users = API.objects.filter(upstream=upstream_id).values_list("slug", flat=True)
    if users:
        raise InUse(f"The upstream is used by {', '.join(users)}: give them another one first.")
    deleted, _ = Upstream.objects.filter(pk=upstream_id).delete()
    if not deleted:
        raise NotFound(f"There is no upstream {upstream_id}.")
