"""The end of an administrator's stop for a client."""

from django.db import transaction

from ims.audit.events import Event
from ims.models import Client
from ims.services.record_audit_event import record_audit_event
from ims.services.revoke_client_tokens import revoke_client_tokens


@transaction.atomic
def enable_client(*, client: Client) -> None:
    """Let `client` authenticate again; what it held before stays revoked.

    Of a token that was being issued while the client was stopped, nobody else took notice: it is
    refused as its client is, and would come to life now.
    """
    if client.disabled_at is not None:
        revoke_client_tokens(client=client)
    client.disabled_at = None
    client.save(update_fields=["disabled_at", "updated"])
    record_audit_event(event=Event.CLIENT_ENABLED, client_id=client.client_id)
