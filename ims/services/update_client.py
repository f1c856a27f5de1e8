"""Replacement of a client's metadata by the client itself (RFC 7592 §2.2)."""

from django.db import transaction

from ims.checks.client_metadata import ClientMetadata
from ims.models import Client
from ims.services.rotate_client_secret import rotate_client_secret
from ims.services.write_client_record import write_client_record


@transaction.atomic
def update_client(*, client: Client, metadata: ClientMetadata) -> str | None:
    """Replace the metadata of `client`; return a secret when one had to be made.

    That is when a public client becomes confidential. One that becomes public loses its secrets.
    """
    write_client_record(client=client, metadata=metadata)
    client.save()
    if client.client_type == Client.CLIENT_PUBLIC:
        client.secrets.all().delete()
        return None
    return None if client.secrets.exists() else rotate_client_secret(client=client)
