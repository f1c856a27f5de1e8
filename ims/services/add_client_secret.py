"""One more secret for a client, beside those it has."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from ims import conf
from ims.audit.events import Event
from ims.errors import TooManySecrets
from ims.issued_secret import IssuedSecret
from ims.models import Client, ClientSecret
from ims.services.record_audit_event import record_audit_event
from wire import bearer


@transaction.atomic
def add_client_secret(
    *,
    client: Client,
    label: str = "",
    expires_at: datetime | None = None,
    secret: str | None = None,
) -> IssuedSecret:
    """Return a new secret of `client`; the ones before go on.

    It is minted, unless an operator brings his own `secret`. It ends when its policy says so, or
    at `expires_at` if that is sooner. Raises TooManySecrets at MOST_CLIENT_SECRETS live ones.
    """
    Client.objects.select_for_update().get(pk=client.pk)
    now = timezone.now()
    live = client.secrets.filter(Q(expires_at=None) | Q(expires_at__gt=now))
    if live.count() >= conf.MOST_CLIENT_SECRETS:
        raise TooManySecrets(
            f"A client has {conf.MOST_CLIENT_SECRETS} secrets at most; revoke one first."
        )
    client_secret = secret or bearer.mint(bearer.Prefix.CLIENT_SECRET)
    ends = [end for end in (expires_at, _get_policy_end(client, now)) if end is not None]
    record = ClientSecret.objects.create(
        client=client,
        digest=bearer.digest(client_secret),
        label=label,
        expires_at=min(ends, default=None),
    )
    record_audit_event(
        event=Event.SECRET_ROTATED,
        client_id=client.client_id,
        detail={"added": bytes(record.digest)[:8].hex(), "label": label},
    )
    return IssuedSecret(client_secret, record.expires_at)


def _get_policy_end(client: Client, now: datetime) -> datetime | None:
    days = client.policy.secret_lifetime_days if client.policy else None
    return None if days is None else now + timedelta(days=days)
