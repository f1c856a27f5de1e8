"""The end of one of a client's secrets."""

from django.db import transaction

from ims.audit.events import Event
from ims.models import ClientSecret
from ims.services.record_audit_event import record_audit_event


@transaction.atomic
def revoke_client_secret(*, secret: ClientSecret) -> None:
    """Refuse the secret from now on; tokens that were issued with it go on (revoke those too)."""
    record_audit_event(
        event=Event.SECRET_ROTATED,
        client_id=secret.client.client_id,
        detail={"revoked": bytes(secret.digest)[:8].hex(), "label": secret.label},
    )
    secret.delete()
