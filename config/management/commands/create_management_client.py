"""`manage.py create_management_client NAME`: a client for scripts that manage APIs over REST."""

import re
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from ims.models import Client
from ims.services.provision_infrastructure_client import provision_infrastructure_client

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")


class Command(BaseCommand):
    """Make the client with the scope `manage` and show its secret once."""

    help = "Make a client that may use the management API (scope `manage`); its secret shows once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="what it is for, such as ci: small letters, digits and -")

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        name: str = options["name"]
        if not _NAME.fullmatch(name):
            raise CommandError(f"name: use small letters, digits and -, up to 40, not {name!r}.")
        client_id = f"management-{name}"
        if Client.objects.filter(client_id=client_id).exists():
            raise CommandError(
                f"{client_id} is there already. Rotate its secret in admin, or choose another name."
            )
        secret = provision_infrastructure_client(
            client_id=client_id, name=f"Management: {name}", scopes=["manage"], secret=None
        )
        self.stdout.write(f"client_id      {client_id}")
        self.stdout.write(f"client_secret  {secret}")
        self.stdout.write("Copy the secret now, it is not shown again. A token:")
        self.stdout.write(
            f"curl -u {client_id}:$CLIENT_SECRET -d grant_type=client_credentials -d scope=manage"
            f" -d resource={settings.ISSUER}/api {settings.ISSUER}/oauth/token"
        )
