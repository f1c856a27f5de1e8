"""`manage.py seed_demo`: the part of the demo that needs the running token service."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ams.errors import AMSError
from config.first_run.demo_applications import DemoCatalogMissing, seed_demo
from portal.errors import PortalError


class Command(BaseCommand):
    help = "Register the portal and the demo's applications, and write quickstart.json."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            seed_demo()
        except (PortalError, AMSError, DemoCatalogMissing) as error:
            raise CommandError(f"The demo could not be seeded: {error}") from error
