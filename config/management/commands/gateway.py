"""`manage.py gateway explain METHOD URL`: what the gateway would do with a call, and why."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from ams.http.snapshot_state import build_snapshot
from gateway.config import served_hosts
from gateway.explain import Explanation, Question, explain
from wire.snapshot_document import MalformedSnapshot

_REFUSED = 1
_NAME_WIDTH = 18


class Command(BaseCommand):
    help = "Explain what becomes of a call: the outcome of each stage, without calling anybody."

    def add_arguments(self, parser: CommandParser) -> None:
        """One command, so far."""
        commands = parser.add_subparsers(dest="command", required=True)
        one = commands.add_parser(
            "explain",
            help="Run the gateway's stages on a made-up call; exit code 0: admitted, 1: refused",
        )
        one.add_argument("method", metavar="METHOD")
        one.add_argument("url", metavar="URL", help="the address, or its path and query")
        one.add_argument("--client", default="", help="client id; without it there is no token")
        one.add_argument("--user", default="", help="subject of the token; default: the client")
        one.add_argument(
            "--scope", help="scopes of the token, space between; default: every scope of the API"
        )
        one.add_argument(
            "-H", "--header", action="append", default=[], metavar="NAME: VALUE", type=_header
        )
        one.add_argument(
            "--snapshot", type=Path, help="a snapshot.json of a gateway; default: the database's"
        )
        one.add_argument("--json", action="store_true", dest="as_json", help="for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the explanation. Raises SystemExit (1) when the call would be refused."""
        if options["user"] and not options["client"]:
            raise CommandError("--user needs --client: a token is always a client's.", returncode=2)
        question = Question(
            method=options["method"],
            url=options["url"],
            client_id=options["client"],
            subject=options["user"],
            scopes=None if options["scope"] is None else tuple(options["scope"].split()),
            headers=tuple(options["header"]),
            hosts=served_hosts() | {urlsplit(settings.GATEWAY_URL).hostname or "localhost"},
            issuer=settings.ISSUER,
        )
        try:
            found = explain(_read_snapshot(options["snapshot"]), question)
        except (MalformedSnapshot, ValueError, OSError) as error:
            raise CommandError(str(error), returncode=2) from error
        self.stdout.write(_as_json(found) if options["as_json"] else _as_table(found))
        if not found.is_admitted:
            raise SystemExit(_REFUSED)


def _read_snapshot(path: Path | None) -> bytes:
    return build_snapshot().document(None) if path is None else path.read_bytes()


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not (name and colon):
        raise ValueError(text)
    return name.strip(), value.strip()


def _as_json(found: Explanation) -> str:
    document = {
        "admitted": found.is_admitted,
        "status": found.status or None,
        "configuration_version": found.version,
        "stages": [
            {"stage": row.stage, "passed": row.passed, "details": dict(row.details)}
            for row in found.outcomes
        ],
    }
    return json.dumps(document, indent=2)


def _as_table(found: Explanation) -> str:
    lines = []
    for row in found.outcomes:
        lines.append(f"{row.stage:{_NAME_WIDTH}} {'passes' if row.passed else 'REFUSES'}")
        lines += [f"{'':{_NAME_WIDTH}}   {name}: {text}" for name, text in row.details.items()]
    verdict = "admitted" if found.is_admitted else f"answered here with {found.status}"
    lines.append(f"The call is {verdict} (configuration {found.version}).")
    return "\n".join(lines)
