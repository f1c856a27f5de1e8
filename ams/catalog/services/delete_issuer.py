"""Take a foreign issuer away that no API accepts."""

import uuid

from django.db import transaction

from ams.catalog.models import API, Issuer
from ams.catalog.services.raise_configuration_version import raise_configuration_version
from ams.errors import InUse, NotFound


@transaction.atomic
def delete_issuer(*, issuer_id: uuid.UUID) -> None:
    """Delete the issuer. Raises NotFound, and InUse while an API accepts its tokens."""
    raise_configuration_version()
    users = API.objects.filter(issuers=issuer_id).values_list("slug", flat=True)
    if users:
        raise InUse(f"Its tokens are accepted by {', '.join(users)}: change that first.")
    deleted, _ = Issuer.objects.filter(pk=issuer_id).delete()
    if not deleted:
        raise NotFound(f"There is no issuer {issuer_id}.")
