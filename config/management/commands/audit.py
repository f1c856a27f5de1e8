"""`manage.py audit`: check the log of security events, or take it along."""

import argparse
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.dateparse import parse_date, parse_datetime

from ims.audit.events import Event
from ims.queries.audit_log import export_lines, list_events
from ims.queries.audit_verification import verify_audit_log
from ims.services.record_audit_event import record_audit_event
from ims.services.seal_audit_events import seal_audit_events


class Command(BaseCommand):
    help = "Verify, seal or export the audit log."

    def add_arguments(self, parser: CommandParser) -> None:
        """Three commands in one."""
        commands = parser.add_subparsers(dest="command", required=True)
        verify = commands.add_parser("verify", help="Check every seal; exit code 1 where one fails")
        verify.add_argument(
            "--head", default="", help="what an earlier run printed: it must be in the chain still"
        )
        commands.add_parser("seal", help="Seal what is not sealed yet; the worker does it anyway")
        export = commands.add_parser("export", help="Write events as JSON lines")
        export.add_argument("--since", type=_moment, help="a date or time (UTC), included")
        export.add_argument("--until", type=_moment, help="a date or time (UTC), not included")
        export.add_argument(
            "--event", action="append", default=[], choices=Event.values, help="may be repeated"
        )
        export.add_argument("--client-id", default="")
        export.add_argument("--subject", default="")

    def handle(self, *args: Any, **options: Any) -> None:
        {"verify": self._verify, "seal": self._seal, "export": self._export}[options["command"]](
            options
        )

    def _verify(self, options: dict[str, Any]) -> None:
        found = verify_audit_log(expected_head=options["head"])
        self.stdout.write(f"{found.seals} seals over {found.events} events hold.")
        self.stdout.write(f"Head: {found.head}")
        if found.unsealed:
            self.stdout.write(f"Not sealed yet: {found.unsealed} events.")
        if found.broken:
            raise CommandError(found.broken)
        if found.overdue:
            raise CommandError(
                f"{found.overdue} events are older than five minutes and not sealed: is the worker"
                " at work? `manage.py audit seal` seals them now."
            )

    def _seal(self, options: dict[str, Any]) -> None:
        del options
        sealed = 0
        while (seal := seal_audit_events()) is not None:
            sealed += seal.event_count
        self.stdout.write(f"Sealed: {sealed} events.")

    def _export(self, options: dict[str, Any]) -> None:
        found = list_events(
            since=options["since"],
            until=options["until"],
            events=options["event"],
            client_id=options["client_id"],
            subject=options["subject"],
        )
        exported = 0
        for line in export_lines(found):
            self.stdout.write(line, ending="")
            exported += 1
        record_audit_event(event=Event.AUDIT_EXPORTED, detail={"events": exported})


def _moment(text: str) -> datetime:
    try:
        day = parse_date(text)
        moment = datetime(day.year, day.month, day.day) if day else parse_datetime(text)  # noqa: DTZ001 - the zone is set below
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} is not in the calendar.") from error
    if moment is None:
        raise argparse.ArgumentTypeError("use 2026-11-22 or 2026-11-22T18:00:00")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
