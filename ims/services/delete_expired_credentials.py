"""Remove credentials that are dead by their age."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from django.db.models import Exists, Model, OuterRef, QuerySet
from django.utils import timezone

from ims import conf
from ims.models import AccessToken, AuthorizationCode, Grant, RefreshToken

# Rows a statement, so that no lock is held long.
_BATCH: Final = 5_000


def delete_expired_credentials() -> dict[str, int]:
    """Return how many rows of each kind were deleted; not atomic, and safe to run side by side.

    A used code stays for a day, a used refresh token until its own end: their replay must still be
    recognised. A grant goes when nothing made from it is left.
    """
    return {rows.model.__name__: _delete(rows) for rows in _list_dead_rows()}


def _list_dead_rows() -> Iterator[QuerySet[Model]]:
    now = timezone.now()
    memory = timedelta(seconds=conf.USED_CODE_MEMORY_SECONDS)
    yield AuthorizationCode.objects.filter(expires_at__lt=now - memory)
    yield RefreshToken.objects.filter(expires_at__lt=now)
    yield AccessToken.objects.filter(expires_at__lt=now)
    made_from_it = (
        kind.objects.filter(grant=OuterRef("pk"))
        for kind in (AuthorizationCode, RefreshToken, AccessToken)
    )
    grants = Grant.objects.filter(created_at__lt=now - memory)
    for children in made_from_it:
        grants = grants.exclude(Exists(children))
    yield grants


def _delete(rows: QuerySet[Model]) -> int:
    deleted = 0
    while batch := list(rows.values_list("pk", flat=True)[:_BATCH]):
        count, _ = rows.model._default_manager.filter(pk__in=batch).delete()  # noqa: SLF001 - Django's documented name of any model's manager
        deleted += count
    return deleted
