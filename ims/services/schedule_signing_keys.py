"""Rotation of the signing keys: announce the next, retire the last."""

from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.utils import timezone

from ims import conf
from ims.models import SigningKey
from ims.queries.signing_keys import find_active_signing_key, list_algorithms_in_use
from ims.services.create_signing_key import create_signing_key
from ims.services.lock_signing_keys import lock_signing_keys
from ims.services.retire_signing_keys import retire_signing_keys

_LIFETIME: Final = timedelta(seconds=conf.SIGNING_KEY_LIFETIME_SECONDS)
_NOTICE: Final = timedelta(seconds=conf.SIGNING_KEY_ANNOUNCED_SECONDS)
# As long as a cached JWKS may lack the new key, and as long again for clocks and slow readers.
_SHORTEST_NOTICE: Final = timedelta(seconds=2 * conf.JWKS_MAX_AGE_SECONDS)
# For a machine whose clock is late the former key signs on; it must find it.
_CLOCKS_DIFFER: Final = timedelta(minutes=5)


@transaction.atomic
def schedule_signing_keys(*, at_once: bool = False) -> list[SigningKey]:
    """Return the successors announced or brought forward now, of every algorithm in use.

    A key signs for SIGNING_KEY_LIFETIME_SECONDS. Its successor is in the JWKS at least
    SIGNING_KEY_ANNOUNCED_SECONDS before it takes over; `at_once` makes each take over as soon as
    every cached JWKS can have it. Keys that have been succeeded are retired: they stay published
    until what they signed is gone. Run it now and then; twice does no harm.
    """
    lock_signing_keys()
    changed = []
    for algorithm in list_algorithms_in_use():
        active = find_active_signing_key(algorithm)
        if active is None:
            continue  # the first key of this algorithm is still to take over
        keys = SigningKey.objects.filter(algorithm=algorithm)
        if active.activates_at + _CLOCKS_DIFFER < timezone.now():
            retire_signing_keys(keys=keys.filter(activates_at__lt=active.activates_at))
        successor = _see_to_successor(active, at_once=at_once)
        if successor is not None:
            changed.append(successor)
    return changed


def _see_to_successor(active: SigningKey, *, at_once: bool) -> SigningKey | None:
    """Return the successor of `active` where it had to be made or brought forward."""
    now = timezone.now()
    takes_over_at = active.activates_at + _LIFETIME
    waiting = SigningKey.objects.filter(
        algorithm=active.algorithm, activates_at__gt=now, retired_at=None
    ).first()
    if at_once:
        return _bring_forward(active, waiting, now + _SHORTEST_NOTICE)
    if waiting is not None or takes_over_at - _NOTICE > now:
        return None
    return create_signing_key(
        algorithm=active.algorithm, activates_at=max(takes_over_at, now + _NOTICE)
    )


def _bring_forward(
    active: SigningKey, waiting: SigningKey | None, moment: datetime
) -> SigningKey | None:
    if waiting is None:
        return create_signing_key(algorithm=active.algorithm, activates_at=moment)
    if waiting.activates_at <= moment:
        return None
    waiting.activates_at = moment
    waiting.save(update_fields=["activates_at"])
    return waiting
