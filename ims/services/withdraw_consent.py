"""Take back what a person allowed an application."""

from django.db import transaction

from ims.models import Consent, Grant
from ims.services.revoke_grant import revoke_grant


@transaction.atomic
def withdraw_consent(*, consent: Consent) -> None:
    """Forget what the person allowed the application, and revoke its grants: it must ask anew."""
    grants = Grant.objects.filter(user=consent.user, client=consent.client, revoked_at=None)
    for grant in grants:
        revoke_grant(grant=grant)
    Consent.objects.filter(user=consent.user, client=consent.client).delete()
