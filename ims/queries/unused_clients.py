"""Which registered clients nobody uses, and how long they have."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Exists, OuterRef
from django.db.models.functions import Coalesce
from django.utils import timezone

from ims import conf
from ims.models import AccessToken, Client, ProtectedResource, RegistrationPolicy

_BATCH: Final = 500
_MOST_CONTACTS: Final = 3
_LONGEST_MAILBOX: Final = 254
# RFC 7591 §2: contacts are "typically email addresses"; these are the ones that mail can go to.
_MAILBOX: Final = re.compile(r"[^@\s,;:<>()\"]+@[^@\s,;:<>()\"]+")
# Nobody vouched for what these say of themselves: they may not make us write to strangers.
_SELF_REGISTERED: Final = (RegistrationPolicy.Source.OPEN, RegistrationPolicy.Source.DOCUMENT)


@dataclass(frozen=True, slots=True)
class UnusedClient:
    """A client with a day on which it goes, and whom to tell before."""

    client: Client
    idle_since: datetime
    warning_at: datetime
    removal_at: datetime
    contacts: tuple[str, ...]

    def is_due_for_warning(self, now: datetime) -> bool:
        """Whether its contacts are to be told now."""
        is_warned = self.client.unused_warned_at is not None
        return bool(self.contacts) and not is_warned and now >= self.warning_at

    def is_due_for_removal(self, now: datetime) -> bool:
        """Whether it goes now; those who can be told are told long enough before."""
        if not self.contacts:
            return now >= self.removal_at
        warned = self.client.unused_warned_at
        return warned is not None and now >= max(
            self.removal_at, warned + (self.removal_at - self.warning_at)
        )


def list_unused_clients() -> Iterator[UnusedClient]:
    """Return every registered client that has been idle for a day and may be removed some day.

    Never those that an administrator or the bootstrap made, first parties, the ones that
    introspect for an API (they need no tokens), those answered at our own origin (the portal),
    those of a policy that removes none, and those that hold a live token.
    """
    now = timezone.now()
    introspecting = ProtectedResource.introspection_clients.through.objects
    live = AccessToken.objects.filter(client=OuterRef("pk"), expires_at__gt=now)
    clients = (
        Client.objects.exclude(registration_source=Client.RegistrationSource.MANUAL)
        .filter(is_first_party=False)
        .exclude(Exists(introspecting.filter(client=OuterRef("pk"))))
        .exclude(redirect_uris__contains=f"{conf.issuer()}/")
        .annotate(idle_since=Coalesce("last_used_at", "created"))
        .filter(idle_since__lte=now - timedelta(hours=conf.NEVER_USED_CLIENT_HOURS))
        .exclude(Exists(live))
        .select_related("policy")
        .order_by("pk")
    )
    for client in clients.iterator(chunk_size=_BATCH):
        patience = _get_patience(client)
        if patience is not None:
            yield _describe(client, client.idle_since, patience)


def _get_patience(client: Client) -> timedelta | None:
    """Return how long `client` may be idle; None: for ever."""
    policy = client.policy
    days = conf.UNUSED_CLIENT_DAYS if policy is None else policy.remove_unused_after_days
    if days is None:
        return None
    if client.last_used_at is None and _is_self_registered(client):
        return min(timedelta(days=days), timedelta(hours=conf.NEVER_USED_CLIENT_HOURS))
    return timedelta(days=days)


def _describe(client: Client, idle_since: datetime, patience: timedelta) -> UnusedClient:
    lead = min(timedelta(days=conf.UNUSED_CLIENT_WARNING_DAYS), patience / 2)
    removal_at = idle_since + patience
    return UnusedClient(
        client=client,
        idle_since=idle_since,
        warning_at=removal_at - lead,
        removal_at=removal_at,
        contacts=() if _is_self_registered(client) else _list_contacts(client),
    )


def _list_contacts(client: Client) -> tuple[str, ...]:
    named = client.metadata.get("contacts", [])
    return tuple(contact for contact in named if _is_mailbox(contact))[:_MOST_CONTACTS]


def _is_mailbox(contact: str) -> bool:
    return len(contact) <= _LONGEST_MAILBOX and _MAILBOX.fullmatch(contact) is not None


def _is_self_registered(client: Client) -> bool:
    return client.policy is not None and client.policy.source in _SELF_REGISTERED
