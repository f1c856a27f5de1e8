"""Celery tasks of metering; they only call services."""

from celery import shared_task

from ams.metering.services.fold_usage_batches import fold_usage_batches
from ams.metering.services.purge_usage_batches import purge_usage_batches

_ROUNDS = 100


@shared_task
def purge_usage() -> None:
    """Let go of stored batches that are old enough."""
    for _ in range(_ROUNDS):
        if purge_usage_batches() == (0, 0):
            return


@shared_task
def fold_usage() -> None:
    """Fold what waits. A second copy at the same time finds the batches locked and ends."""
    for _ in range(_ROUNDS):
        if not fold_usage_batches():
            return
