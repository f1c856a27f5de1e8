"""Metadata documents of clients: whether any are taken, and which need a look."""

from datetime import timedelta
from typing import Final

from django.db.models import Q, QuerySet
from django.utils import timezone

from ims.models import Client, RegistrationPolicy

# Of a client in use, a document is read this often even where nobody signs in anew.
_LONGEST_UNREAD: Final = timedelta(hours=6)
_IN_USE: Final = timedelta(days=30)
# A document may be gone by mistake: its client has this long to come back.
_MERCY: Final = timedelta(hours=24)


def takes_client_documents() -> bool:
    """Whether identifiers may be URLs of metadata documents; runs one statement."""
    closed = RegistrationPolicy.objects.filter(
        source=RegistrationPolicy.Source.DOCUMENT, is_enabled=False
    )
    return not closed.exists()


def list_unread_document_clients() -> QuerySet[Client]:
    """Return the clients in use whose documents nobody has read for a while."""
    now = timezone.now()
    is_in_use = Q(last_used_at__gt=now - _IN_USE)
    return (
        Client.objects.select_related("policy")
        .filter(is_in_use, document__fresh_until__lt=now - _LONGEST_UNREAD)
        .order_by("document__fresh_until")
    )


def list_withdrawn_clients() -> QuerySet[Client]:
    """Return the clients whose documents have been gone, or been none, for a day."""
    return Client.objects.filter(document__withdrawn_at__lt=timezone.now() - _MERCY)
