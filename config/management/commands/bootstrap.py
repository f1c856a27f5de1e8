"""`manage.py bootstrap`: the credentials of the parts, and the local certificate."""

import os
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from config import local_ca
from config.first_run.bootstrap import bootstrap


class Command(BaseCommand):
    help = (
        "Make the infrastructure clients and their secrets. Offline; run it as often as you like."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        bootstrap()
        if not os.environ.get("TOLLGATE_GATEWAY_CERT"):
            local_ca.ensure_gateway_certificate(settings.HOME / "tls")
        self.stdout.write(f"The credentials of the parts are in {settings.SECRETS_DIR}.")
