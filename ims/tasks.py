"""The token service's periodic work; tasks only call services."""

import logging

from celery import shared_task

from ims.services.delete_expired_credentials import delete_expired_credentials
from ims.services.delete_expired_revocations import delete_expired_revocations
from ims.services.delete_expired_sessions import delete_expired_sessions
from ims.services.schedule_signing_keys import schedule_signing_keys
from ims.services.seal_audit_events import seal_audit_events

logger = logging.getLogger(__name__)


@shared_task
def purge_expired() -> None:
    """Remove codes, tokens, grants, revocation events and sessions that are dead by their age."""
    deleted = delete_expired_credentials()
    delete_expired_revocations()
    delete_expired_sessions()
    logger.info("Expired rows deleted: %s", deleted)


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
