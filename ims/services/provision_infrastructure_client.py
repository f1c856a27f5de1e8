"""The clients that the parts of one installation are."""

from collections.abc import Sequence

from django.db import transaction

from ims.models import Client
from ims.services.rotate_client_secret import rotate_client_secret
from wire import bearer


@transaction.atomic
def provision_infrastructure_client(
    *, client_id: str, name: str, scopes: Sequence[str], secret: str | None
) -> str | None:
    """See that the client stands; return its secret when that is new, else None.

    A given `secret` becomes the only one; without one a secret is minted if there is none yet.
    """
    client, _ = Client.objects.update_or_create(
        client_id=client_id,
        defaults={
            "name": name,
            "client_type": Client.CLIENT_CONFIDENTIAL,
            "token_endpoint_auth_method": Client.AuthMethod.BASIC,
            "grant_types": ["client_credentials"],
            "response_types": [],
            "scopes": list(scopes),
            "is_first_party": True,
        },
    )
    digests = {bytes(digest) for digest in client.secrets.values_list("digest", flat=True)}
    stands = bool(digests) if secret is None else digests == {bearer.digest(secret)}
    if stands:
        return None
    return rotate_client_secret(client=client, secret=secret, label="bootstrap").secret
