"""Remove authorizations that nothing is left of."""

from datetime import timedelta
from typing import Final

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from ims import conf
from ims.models import AccessToken, AuthorizationCode, Grant, RefreshToken

# Rows a statement, so that no lock is held long.
_BATCH: Final = 5_000


def delete_ended_grants() -> int:
    """Return how many grants were deleted; not atomic, and safe to run side by side.

    A grant goes when everything made from it went with its partitions (`maintain_partitions`):
    there is one for each time that a person let an application in, not one for each token.
    """
    deleted = 0
    ended = _list_ended()
    while batch := list(ended.values_list("pk", flat=True)[:_BATCH]):
        Grant.objects.filter(pk__in=batch).delete()
        deleted += len(batch)
    return deleted


def _list_ended() -> QuerySet[Grant]:
    memory = timedelta(seconds=conf.USED_CODE_MEMORY_SECONDS)
    grants = Grant.objects.filter(created_at__lt=timezone.now() - memory)
    for kind in (AuthorizationCode, RefreshToken, AccessToken):
        grants = grants.exclude(Exists(kind.objects.filter(grant=OuterRef("pk"))))
    return grants
