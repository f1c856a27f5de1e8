"""A new secret for a client, in place of every one before."""

from django.db import transaction

from ims.models import Client, ClientSecret
from wire import bearer


@transaction.atomic
def rotate_client_secret(*, client: Client, secret: str | None = None, label: str = "") -> str:
    """Return the client's only secret from now on; the ones before end with this transaction.

    It is minted, unless an operator brings his own `secret`. The row lock makes two rotations at
    once end with one live secret. Tokens already issued are not touched.
    """
    Client.objects.select_for_update().get(pk=client.pk)
    client_secret = secret or bearer.mint(bearer.Prefix.CLIENT_SECRET)
    client.secrets.all().delete()
    ClientSecret.objects.create(client=client, digest=bearer.digest(client_secret), label=label)
    return client_secret
