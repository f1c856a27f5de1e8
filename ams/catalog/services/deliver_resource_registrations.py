"""Tell the token service which resources there are: the delivering side."""

import logging

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from ams.catalog.models import ResourceRegistration
from ams.errors import TokenServiceUnavailable
from ams.ims_client import get_ims_client

_log = logging.getLogger(__name__)


def deliver_resource_registrations() -> int:
    """Return how many registrations were delivered; failures stay in the outbox with their reason.

    Those that failed least often go first, so that one that is refused holds up no other.
    Blocks for one HTTP call each, and stops when the token service does not answer at all.
    """
    waiting = ResourceRegistration.objects.filter(delivered_at=None).order_by("attempts")
    delivered = 0
    for resource in list(waiting.values_list("resource", flat=True)):
        try:
            delivered += _deliver(resource)
        except TokenServiceUnavailable as error:
            _note_failure(resource, str(error))
            if error.retryable:
                break
    return delivered


@transaction.atomic
def _deliver(resource: str) -> bool:
    # One deliverer per resource, or an older document could arrive last. An advisory lock and
    # not a row lock: whoever changes the API meanwhile must not wait for HTTP.
    if not _lock(resource):
        return False
    row = ResourceRegistration.objects.filter(resource=resource, delivered_at=None).first()
    if row is None:
        return False
    if row.document is None:
        get_ims_client().delete_resource(resource)
    else:
        get_ims_client().put_resource(row.document)
    # A document that changed meanwhile stays in the outbox.
    same = ResourceRegistration.objects.filter(resource=resource, changed_at=row.changed_at)
    return bool(same.update(delivered_at=timezone.now(), last_error=""))


def _lock(resource: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))",
            [f"resource registration {resource}"],
        )
        return bool(cursor.fetchone()[0])


def _note_failure(resource: str, reason: str) -> None:
    row = ResourceRegistration.objects.filter(resource=resource)
    if not row.filter(last_error=reason[:256]).exists():  # one line a reason, not one a try
        _log.warning("resource %s is not registered yet: %s", resource, reason)
    row.update(attempts=F("attempts") + 1, last_error=reason[:256])
