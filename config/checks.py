"""System checks of an installation: what would be unsafe, and what cannot work."""

import urllib.parse
from typing import Final

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register

_SHORTEST_SECRET: Final = 32
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@register(Tags.security)
def check_secret_key(**_: object) -> list[CheckMessage]:
    """Sessions, signed values and stored registration tokens depend on the secret key."""
    if len(settings.SECRET_KEY) >= _SHORTEST_SECRET:
        return []
    hint = "Set TOLLGATE_SECRET_KEY to at least 32 random characters."
    return [Error("The secret key is too short.", hint=hint, id="config.E001")]


@register(Tags.security)
def check_issuer(**_: object) -> list[CheckMessage]:
    """RFC 8414 §2: an issuer is an https URL without query or fragment; loopback is for trying."""
    parts = urllib.parse.urlsplit(settings.ISSUER)
    messages: list[CheckMessage] = []
    if parts.query or parts.fragment or settings.ISSUER.endswith("/"):
        hint = "Set TOLLGATE_ISSUER to scheme, host and port only."
        messages.append(
            Error(
                "The issuer has a query, a fragment or a last slash.", hint=hint, id="config.E002"
            )
        )
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        hint = "Set TOLLGATE_ISSUER to the https address that people and clients use."
        messages.append(checks.Warning("The issuer is not https.", hint=hint, id="config.W001"))
    return messages


@register(Tags.security, deploy=True)
def check_mode(**_: object) -> list[CheckMessage]:
    """Development shows every mail at an address."""
    if settings.IS_PRODUCTION:
        return []
    hint = "Set TOLLGATE_MODE=production."
    return [checks.Warning("Mails are shown at /-/mail/.", hint=hint, id="config.W002")]


@register(Tags.database)
def check_servers(**_: object) -> list[CheckMessage]:
    """Where neither the environment nor a running `serve` names the servers, nothing can work."""
    missing = [name for name in ("DATABASE_URL", "REDIS_URL") if not getattr(settings, name)]
    if not missing:
        return []
    hint = "Start `manage.py serve`, which brings its own, or set it to a server of yours."
    return [Error(f"{' and '.join(missing)} is not set.", hint=hint, id="config.E003")]
