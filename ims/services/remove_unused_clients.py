"""Registered clients that nobody uses go, after a warning to those they name as contacts."""

import logging
from dataclasses import dataclass
from smtplib import SMTPException

from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.utils import timezone

from ims import conf
from ims.models import Client
from ims.queries.unused_clients import UnusedClient, list_unused_clients
from ims.services.delete_client import delete_client

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Removal:
    """How many were told, and how many went."""

    warned: int = 0
    removed: int = 0


def remove_unused_clients() -> Removal:
    """Warn those that are due for it and delete those whose day has come.

    Not atomic: each client is its own transaction. Sends mail, so it blocks. A warning that could
    not be sent is tried again next time, and its client stays.
    """
    outcome, now = Removal(), timezone.now()
    for unused in list_unused_clients():
        if unused.is_due_for_removal(now):
            logger.info("client %s is removed: unused", unused.client.client_id)
            delete_client(client=unused.client)
            outcome.removed += 1
        elif unused.is_due_for_warning(now) and _warn(unused):
            # Not by save(): the client may have changed its record since it was read.
            Client.objects.filter(pk=unused.client.pk).update(unused_warned_at=timezone.now())
            outcome.warned += 1
    return outcome


def _warn(unused: UnusedClient) -> bool:
    """Whether the warning was sent to every contact, to each in a mail of its own."""
    client = unused.client
    name = client.name or client.client_id
    facts = {
        "name": name,
        "client_id": client.client_id,
        "issuer": conf.issuer(),
        "since": unused.idle_since,
        "removal": unused.removal_at,
    }
    body = render_to_string("ims/mail/unused_client.txt", facts)
    try:
        for contact in unused.contacts:
            EmailMessage(f"{name} will be removed: nobody uses it", body, to=[contact]).send()
    except (SMTPException, OSError) as error:
        logger.warning("no warning for client %s: %s", client.client_id, type(error).__name__)
        return False
    return True
