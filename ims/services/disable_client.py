"""An administrator's stop for a client."""

from django.db import transaction
from django.utils import timezone

from ims.audit.events import Event
from ims.models import Client
from ims.services.record_audit_event import record_audit_event
from ims.services.revoke_client_tokens import revoke_client_tokens


@transaction.atomic
def disable_client(*, client: Client) -> None:
    """Refuse `client` everywhere from now on and end everything it holds; its record stays."""
    revoke_client_tokens(client=client)
    if client.disabled_at is None:
        client.disabled_at = timezone.now()
        client.save(update_fields=["disabled_at", "updated"])
        record_audit_event(event=Event.CLIENT_DISABLED, client_id=client.client_id)
