"""Take back what a person allowed an application."""

from django.db import transaction

from ims.models import Consent, Grant
from ims.services.revoke_grant import revoke_grant


@transaction.atomic
def withdraw_consent(*, consent: Consent) -> None:
    """Forget `consent` and revoke every grant behind it: the application must ask anew."""
    grants = Grant.objects.filter(user=consent.user, client=consent.client, revoked_at=None)
    for grant in grants:
        revoke_grant(grant=grant)
    consent.delete()
