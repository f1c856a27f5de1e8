"""`manage.py register_portal`: the portal becomes a client of the running token service."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config.first_run.own_portal import register_own_portal
from portal.errors import PortalError


class Command(BaseCommand):
    help = "Register the portal at the token service (RFC 7591). The web role must be running."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            client = register_own_portal()
        except PortalError as error:
            raise CommandError(f"The portal could not be registered: {error}") from error
        self.stdout.write(f"The portal is client {client.client_id}.")
