"""The token service's periodic work; tasks only call services."""

import logging

from celery import shared_task

from ims.queries.resource_keys import list_resources_to_read
from ims.services.delete_ended_grants import delete_ended_grants
from ims.services.delete_expired_device_authorizations import (
    delete_expired_device_authorizations,
)
from ims.services.delete_expired_pushed_requests import delete_expired_pushed_requests
from ims.services.delete_expired_revocations import delete_expired_revocations
from ims.services.delete_expired_secrets import delete_expired_secrets
from ims.services.delete_expired_sessions import delete_expired_sessions
from ims.services.maintain_partitions import maintain_partitions
from ims.services.note_client_use import note_client_use
from ims.services.read_resource_keys import read_resource_keys
from ims.services.refresh_client_documents import refresh_client_documents
from ims.services.remove_unused_clients import remove_unused_clients as remove_unused
from ims.services.schedule_signing_keys import schedule_signing_keys
from ims.services.seal_audit_events import seal_audit_events

logger = logging.getLogger(__name__)


@shared_task
def purge_expired() -> None:
    """Remove grants, requests, revocation events and sessions that are dead by their age."""
    grants = delete_ended_grants()
    delete_expired_device_authorizations()
    delete_expired_pushed_requests()
    delete_expired_revocations()
    delete_expired_secrets()
    delete_expired_sessions()
    logger.info("Ended grants deleted: %s", grants)


@shared_task
def prepare_partitions() -> None:
    """Make the token tables' coming partitions and drop the dead ones."""
    changes = maintain_partitions()
    if changes.created or changes.dropped:
        logger.info("Partitions made: %s; dropped: %s", changes.created, changes.dropped)


@shared_task
def read_keys_of_resources() -> None:
    """Read the keys that APIs publish: new addresses at once, the others every hour."""
    for record in list_resources_to_read():
        read_resource_keys(protected_resource=record)


@shared_task
def rotate_signing_keys() -> None:
    """Announce signing keys that are due, and retire those that have a successor."""
    announced = schedule_signing_keys()
    if announced:
        logger.info("Signing keys announced: %s", [key.kid for key in announced])


@shared_task
def seal_audit_log() -> None:
    """Seal every event whose transaction has ended; see `manage.py audit verify`."""
    while seal_audit_events() is not None:
        pass


@shared_task
def note_used_clients() -> None:
    """Note which clients got tokens; more often than a token lives, or uses would be missed."""
    note_client_use()


@shared_task
def remove_unused_clients() -> None:
    """Warn of, and remove, registered clients that nobody uses."""
    note_client_use()
    outcome = remove_unused()
    if outcome.warned or outcome.removed:
        logger.info("Unused clients warned of: %d; removed: %d", outcome.warned, outcome.removed)


@shared_task
def read_client_documents() -> None:
    """Read metadata documents of clients in use anew; those that are gone take effect."""
    removed = refresh_client_documents()
    if removed:
        logger.info("Clients removed whose metadata documents are gone: %d", removed)
