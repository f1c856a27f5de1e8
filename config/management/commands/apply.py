"""Make the catalog what a YAML document says."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ams.documents.apply_document import apply_document
from ams.documents.difference import describe_changes
from ams.errors import InvalidDocument


class Command(BaseCommand):
    help = "Apply a YAML document of upstreams, APIs, products, plans and subscriptions."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "-f", "--file", required=True, help="The document; - reads it from standard input."
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Show the difference and change nothing."
        )
        parser.add_argument(
            "--prune",
            action="store_true",
            help="Also take away what a section of the document does not name.",
        )

        parser.add_argument(
            "--no-probe",
            action="store_true",
            help="Do not ask upstreams for their health path: they may be down, or elsewhere.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        name = options["file"]
        is_standard_input = name == "-"
        try:
            text = sys.stdin.read() if is_standard_input else Path(name).read_text("utf-8")
            changes = apply_document(
                text=text,
                source="<stdin>" if is_standard_input else name,
                folder=Path.cwd() if is_standard_input else Path(name).resolve().parent,
                environment=os.environ,
                dry_run=options["dry_run"],
                prune=options["prune"],
                probe=not options["no_probe"],
            )
        except InvalidDocument as error:
            raise CommandError(str(error)) from error
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{name} cannot be read: {error}") from error
        self.stdout.write(describe_changes(changes))
        if changes and options["dry_run"]:
            self.stdout.write("This was a dry run: nothing was changed.")
