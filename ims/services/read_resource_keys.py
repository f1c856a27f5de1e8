"""The keys that an API publishes for the JWTs it gets (RFC 7517 §5)."""

import json
import logging
from typing import Final

from django.utils import timezone

from ims.errors import FetchFailed
from ims.jwks import UnusableJWKS, check_jwks
from ims.models import ProtectedResource
from ims.outbound.get_document import Limits, get_document

logger = logging.getLogger(__name__)

_LIMITS: Final = Limits(
    accept="application/jwk-set+json, application/json", max_bytes=64 * 1024, timeout_seconds=5.0
)


def read_resource_keys(*, protected_resource: ProtectedResource) -> bool:
    """Keep the keys at the resource's `jwks_uri`; return whether they could be read.

    Blocks for seconds: for tasks and administrators, never on the way of a token. When it fails the
    keys that were read before stay.
    """
    record = protected_resource
    try:
        document = get_document(record.jwks_uri, limits=_LIMITS)
        jwks = check_jwks(json.loads(document.body))
    except (FetchFailed, UnusableJWKS, ValueError, RecursionError) as error:
        # What was found there is for the log: an address must not become a way to look around.
        logger.warning("The keys of %s were not read: %s", record.resource, error)
        return False
    # Only while the address is still the one that was read.
    ProtectedResource.objects.filter(pk=record.pk, jwks_uri=record.jwks_uri).update(
        jwks=jwks, jwks_read_at=timezone.now()
    )
    return True
