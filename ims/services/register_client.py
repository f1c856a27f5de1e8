"""Dynamic client registration (RFC 7591 §3)."""

from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from ims.checks.client_metadata import ClientMetadata
from ims.models import Client, InitialAccessToken
from ims.services.rotate_client_secret import rotate_client_secret
from ims.services.write_client_record import write_client_record
from wire import bearer
from wire.oauth_errors import InvalidToken


@dataclass(frozen=True, slots=True)
class RegisteredClient:
    """The only moment at which the credentials themselves are known."""

    client: Client
    client_secret: str | None = field(repr=False)
    registration_access_token: str = field(repr=False)


@transaction.atomic
def register_client(
    *, metadata: ClientMetadata, initial_access_token: InitialAccessToken
) -> RegisteredClient:
    """Return the new client with its credentials; takes one use of `initial_access_token`.

    Raises InvalidToken when the last use went to someone else, or the token expired, since it was
    read: the count goes down in one conditional statement.
    """
    usable = InitialAccessToken.objects.filter(
        Q(uses_left=None) | Q(uses_left__gt=0),
        Q(expires_at=None) | Q(expires_at__gt=timezone.now()),
        pk=initial_access_token.pk,
    )
    if not usable.update(uses_left=F("uses_left") - 1):
        raise InvalidToken("The initial access token is used up or expired; ask for a new one.")
    registration_access_token = bearer.mint(bearer.Prefix.REGISTRATION_ACCESS_TOKEN)
    client = Client(
        registration_source=Client.RegistrationSource.DCR,
        registration_access_token_digest=bearer.digest(registration_access_token),
        registered_with=initial_access_token,
    )
    write_client_record(client=client, metadata=metadata)
    client.save()
    has_secret = client.client_type == Client.CLIENT_CONFIDENTIAL
    secret = rotate_client_secret(client=client) if has_secret else None
    return RegisteredClient(client, secret, registration_access_token)
