"""Take everything back that an application may do in a person's name."""

from django.db import transaction

from ims.audit.events import Event
from ims.models import Client, Consent, Grant, User
from ims.services.record_audit_event import record_audit_event
from ims.services.revoke_grant import revoke_grant


@transaction.atomic
def withdraw_access(*, user: User, client: Client) -> None:
    """Forget what `user` allowed `client` and revoke its grants: it must ask anew.

    Gateways hear of its tokens by the feed.
    """
    for grant in Grant.objects.filter(user=user, client=client, revoked_at=None):
        revoke_grant(grant=grant)
    forgotten, _ = Consent.objects.filter(user=user, client=client).delete()
    record_audit_event(
        event=Event.CONSENT_WITHDRAWN,
        client_id=client.client_id,
        subject=str(user.subject),
        detail={"consents": forgotten},
    )
