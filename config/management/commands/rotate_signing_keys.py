"""`manage.py rotate_signing_keys`: change the keys that sign JWTs, in an emergency at once."""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ims import conf
from ims.models import SigningKey
from ims.services.flush_exchanged_tokens import flush_exchanged_tokens
from ims.services.replace_compromised_keys import replace_compromised_keys
from ims.services.schedule_signing_keys import schedule_signing_keys

_MARGIN_SECONDS = 2
_EMERGENCY = f"""\
Every key of {{algorithms}} leaves the JWKS now and is never believed again. New keys sign at once,
and gateways drop the JWTs they hold. Tokens of clients stay good; nobody has to sign in again.

An API believes the old keys until it reads the JWKS again: {conf.JWKS_MAX_AGE_SECONDS} s at most
if it keeps to the Cache-Control there. Restart those that do not.

If SECRET_KEY may have leaked too, stop here: change it first, without naming the old one in
SECRET_KEY_FALLBACKS, restart, and run this again."""


class Command(BaseCommand):
    """Without options it does what the periodic task does: nothing, unless a key is due."""

    help = "Rotate the signing keys: those that are due, all of them (--now), or in an emergency."

    def add_arguments(self, parser: CommandParser) -> None:
        how = parser.add_mutually_exclusive_group()
        how.add_argument(
            "--now",
            action="store_true",
            help="announce a successor of every key; it signs as soon as every reader can have it",
        )
        how.add_argument(
            "--emergency",
            action="store_true",
            help="a key is in the wrong hands: unpublish every key at once and sign with new ones",
        )
        parser.add_argument(
            "--algorithm",
            action="append",
            choices=conf.SUPPORTED_SIGNING_ALGORITHMS,
            help="with --emergency: keys of this algorithm only; may be repeated",
        )
        parser.add_argument("--no-input", "--yes", action="store_true", help="ask nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        if options["emergency"]:
            self._replace(options["algorithm"], ask=not options["no_input"])
        elif options["algorithm"]:
            raise CommandError("--algorithm goes with --emergency only.")
        else:
            self._show("announced", schedule_signing_keys(at_once=options["now"]))

    def _replace(self, named: list[str] | None, *, ask: bool) -> None:
        algorithms = named or list(conf.SUPPORTED_SIGNING_ALGORITHMS)
        self.stdout.write(_EMERGENCY.format(algorithms=", ".join(algorithms)))
        if ask and input("Type 'replace' to go on: ").strip() != "replace":
            raise CommandError("Nothing was changed.")
        self._show("signs now", replace_compromised_keys(algorithms=algorithms))
        # What a process signed with the old key in its last seconds is dropped by the second flush.
        wait = conf.SIGNING_KEY_REFRESH_SECONDS + _MARGIN_SECONDS
        self.stdout.write(f"Waiting {wait} s for every process to let go of the old keys ...")
        time.sleep(wait)
        flush_exchanged_tokens()
        self.stdout.write("Done: gateways hold no JWT of an old key any more.")

    def _show(self, what: str, keys: list[SigningKey]) -> None:
        for key in keys:
            self.stdout.write(f"{what}: {key.algorithm} {key.kid} from {key.activates_at:%c} UTC")
        if not keys:
            self.stdout.write("No key had to be changed.")
