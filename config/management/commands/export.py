"""Write the catalog as a YAML document that `apply` takes."""

import argparse
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ams.documents.export_document import export_document


class Command(BaseCommand):
    help = "Export upstreams, APIs, products, plans and open subscriptions as YAML."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("-o", "--output", default="-", help="A file; - is standard output.")

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        text = export_document()
        if options["output"] == "-":
            self.stdout.write(text, ending="")
            return
        try:
            Path(options["output"]).write_text(text, "utf-8")
        except OSError as error:
            raise CommandError(f"{options['output']} cannot be written: {error}") from error
