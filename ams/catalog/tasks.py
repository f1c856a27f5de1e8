"""Periodic work of the catalog; tasks only call services."""

from celery import shared_task

from ams.catalog.services import deliver_resource_registrations as deliver


@shared_task(name="ams.catalog.tasks.deliver_resource_registrations")
def deliver_resource_registrations() -> None:
    """Try again what the token service did not take yet. Safe to run twice at a time."""
    deliver.deliver_resource_registrations()
