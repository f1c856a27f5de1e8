"""Dynamic client registration (RFC 7591 §3)."""

from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from ims.audit.events import Event
from ims.checks.client_metadata import ClientMetadata
from ims.issued_secret import IssuedSecret
from ims.models import Client, InitialAccessToken, RegistrationPolicy
from ims.services.add_client_secret import add_client_secret
from ims.services.record_audit_event import record_audit_event
from ims.services.take_place import take_place
from ims.services.write_client_record import write_client_record
from wire import bearer
from wire.oauth_errors import InvalidToken


@dataclass(frozen=True, slots=True)
class RegisteredClient:
    """The only moment at which the credentials themselves are known."""

    client: Client
    client_secret: IssuedSecret | None = field(repr=False)
    registration_access_token: str = field(repr=False)


@transaction.atomic
def register_client(
    *,
    metadata: ClientMetadata,
    initial_access_token: InitialAccessToken | None = None,
    policy: RegistrationPolicy | None = None,
) -> RegisteredClient:
    """Return the new client with its credentials.

    Takes one use of `initial_access_token` and one place under `policy`, by default the token's.
    Raises InvalidToken when the last use went to someone else, or the token expired, since it was
    read: the count goes down in one conditional statement. Raises RegistrationClosed.
    """
    if initial_access_token is not None:
        _take_use(initial_access_token)
        policy = policy or initial_access_token.policy
    if policy is not None:
        take_place(policy=policy)
    registration_access_token = bearer.mint(bearer.Prefix.REGISTRATION_ACCESS_TOKEN)
    client = Client(
        registration_source=Client.RegistrationSource.DCR,
        registration_access_token_digest=bearer.digest(registration_access_token),
        registered_with=initial_access_token,
        policy=policy,
    )
    write_client_record(client=client, metadata=metadata)
    client.save()
    record_audit_event(
        event=Event.CLIENT_REGISTERED,
        client_id=client.client_id,
        detail={"with": initial_access_token.label if initial_access_token else str(policy)},
    )
    secret = add_client_secret(client=client) if client.has_secrets else None
    return RegisteredClient(client, secret, registration_access_token)


def _take_use(initial_access_token: InitialAccessToken) -> None:
    usable = InitialAccessToken.objects.filter(
        Q(uses_left=None) | Q(uses_left__gt=0),
        Q(expires_at=None) | Q(expires_at__gt=timezone.now()),
        pk=initial_access_token.pk,
    )
    if not usable.update(uses_left=F("uses_left") - 1):
        raise InvalidToken("The initial access token is used up or expired; ask for a new one.")
