"""`manage.py serve`, so that `manage.py help` lists it; `manage.py` itself hands over earlier."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.processes.roles import ROLES


class Command(BaseCommand):
    help = "Start Tollgate: every role under one supervisor, or one of them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--role", choices=ROLES, help="run this role only, unsupervised")

    def handle(self, *args: Any, **options: Any) -> None:
        raise CommandError("Start it as `manage.py serve`: it must run before Django does.")
