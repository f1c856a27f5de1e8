"""Replacement of a client's metadata by the client itself (RFC 7592 §2.2)."""

from django.db import transaction

from ims.audit.events import Event
from ims.checks.client_metadata import ClientMetadata
from ims.issued_secret import IssuedSecret
from ims.models import Client
from ims.services.add_client_secret import add_client_secret
from ims.services.record_audit_event import record_audit_event
from ims.services.write_client_record import write_client_record


@transaction.atomic
def update_client(*, client: Client, metadata: ClientMetadata) -> IssuedSecret | None:
    """Replace the metadata of `client`; return a secret when one had to be made.

    That is when a client without secrets begins to authenticate with one. A client that does so no
    more loses its secrets.
    """
    write_client_record(client=client, metadata=metadata)
    client.save()
    record_audit_event(event=Event.CLIENT_UPDATED, client_id=client.client_id)
    if not client.has_secrets:
        client.secrets.all().delete()
        return None
    return None if client.secrets.exists() else add_client_secret(client=client)
