"""Deprovisioning of a client (RFC 7592 §2.3)."""

from django.db import transaction

from ims.audit.events import Event
from ims.models import Client
from ims.services.record_audit_event import record_audit_event
from ims.services.revoke_client_tokens import revoke_client_tokens


@transaction.atomic
def delete_client(*, client: Client) -> None:
    """End everything `client` holds, put its live tokens on the feed and drop its record.

    The feed keeps digests of its own, so gateways learn of tokens whose rows are gone.
    """
    revoke_client_tokens(client=client)
    record_audit_event(event=Event.CLIENT_DELETED, client_id=client.client_id)
    client.delete()
