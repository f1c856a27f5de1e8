"""Remember that a person allowed an application."""

from collections.abc import Iterable

from django.db import transaction

from ims.models import Client, Consent, User


@transaction.atomic
def record_consent(
    *, user: User, client: Client, scopes: Iterable[str], resources: Iterable[str]
) -> Consent:
    """Return the consent with `scopes` and `resources` added to what was allowed before."""
    consent, _ = Consent.objects.select_for_update().get_or_create(user=user, client=client)
    consent.scopes = sorted({*consent.scopes, *scopes})
    consent.resources = sorted({*consent.resources, *resources})
    consent.save(update_fields=["scopes", "resources", "granted_at"])
    return consent
