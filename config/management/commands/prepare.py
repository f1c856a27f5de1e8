"""`manage.py prepare`: what `serve` needs from Django before the roles start."""

import io
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser

from config.first_run.bootstrap import bootstrap
from config.first_run.demo_people import seed_demo_people
from config.processes.steps import Steps


class Command(BaseCommand):
    help = "Migrate, bootstrap and seed the demo's people and catalog. Used by `serve`."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("done", type=int, nargs="?", default=0, help="steps shown before")
        parser.add_argument("total", type=int, nargs="?", default=3, help="steps in all")

    def handle(self, *args: Any, **options: Any) -> None:
        steps = Steps(options["total"], options["done"])
        with steps.step("migrating the database"):
            call_command("migrate", interactive=False, verbosity=0)
        with steps.step("making the credentials of the parts"):
            bootstrap()
        with steps.step("seeding the demo's people and catalog"):
            seed_demo_people()
            # What the demo's file declares is the demo's: other code puts it back.
            declaration = str(settings.BASE_DIR / "demo" / "tollgate.yaml")
            call_command("apply", file=declaration, stdout=io.StringIO())
