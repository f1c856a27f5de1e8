"""Metadata documents of clients in use are read now and then, and withdrawn ones take effect."""

import logging
from typing import Final

from ims.errors import ClientDocumentRefused
from ims.models import RegistrationPolicy
from ims.queries.client_documents import list_unread_document_clients, list_withdrawn_clients
from ims.services.delete_client import delete_client
from ims.services.ensure_registration_policy import ensure_registration_policy
from ims.services.refresh_client_document import refresh_client_document

logger = logging.getLogger(__name__)

# Each may take 3 seconds: a run stays well below the time that a task has.
_MOST_A_RUN: Final = 100


def refresh_client_documents() -> int:
    """Return how many clients were deleted because their document has been gone for a day.

    Everything they hold ends with them; a client that publishes again is simply new. Not atomic;
    blocks for the fetches.
    """
    policy = ensure_registration_policy(source=RegistrationPolicy.Source.DOCUMENT)
    for client in list_unread_document_clients()[:_MOST_A_RUN]:
        try:
            refresh_client_document(url=client.client_id, policy=client.policy or policy)
        except ClientDocumentRefused as error:
            logger.info("document of client %s: %s", client.client_id, error.detail)
    withdrawn = list(list_withdrawn_clients())
    for client in withdrawn:
        logger.info("client %s is removed: its document is gone", client.client_id)
        delete_client(client=client)
    return len(withdrawn)
