"""Who may call an API from where, and how somebody must have signed in for it."""

import re
from typing import Final

from ams.catalog.specs import APISpec, CORSSpec, OperationSpec
from ams.field_checks import FieldChecks

# RFC 6454 §6.2, as browsers write it: compared byte for byte with the Origin field.
_ORIGIN: Final = re.compile(r"https?://(?:[a-z0-9.\-_]+|\[[0-9a-f:.]+\])(?::[1-9][0-9]{0,4})?")
# RFC 9110 §5.6.2, in lower case: names of header fields are compared so.
_FIELD_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9a-z]{1,64}")
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "QUERY")
# It stands between quotes in a challenge, a blank apart from the next (RFC 9470 §3).
_ACR: Final = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]{1,128}")
_MOST_WORDS: Final = 100
_DAY_SECONDS: Final = 24 * 60 * 60
_YEAR_SECONDS: Final = 365 * _DAY_SECONDS


def check_cors(spec: CORSSpec, checks: FieldChecks) -> None:
    """Add what is wrong with `spec`; problems stand at the list, not at its rows, for admin."""
    _check_origins(spec, checks)
    for method in spec.methods:
        checks.choice(method, _METHODS, "cors", "methods")
    for name, words in (("headers", spec.headers), ("exposed_headers", spec.exposed_headers)):
        for word in words:
            if not _FIELD_NAME.fullmatch(word):
                checks.add(f"{word!r} is no header name in lower case.", "cors", name)
    for name in ("origins", "methods", "headers", "exposed_headers"):
        if len(getattr(spec, name)) > _MOST_WORDS:
            checks.add(f"at most {_MOST_WORDS} are possible.", "cors", name)
    checks.number(spec.max_age_seconds, "cors", "max_age_seconds", least=0, most=_DAY_SECONDS)


def _check_origins(spec: CORSSpec, checks: FieldChecks) -> None:
    if not spec.origins:
        checks.add("at least one is needed; leave cors out to allow none.", "cors", "origins")
    for origin in spec.origins:
        if origin != "*":
            check_origin(origin, checks, "cors", "origins")
    if "*" in spec.origins and len(spec.origins) > 1:
        checks.add("'*' stands alone.", "cors", "origins")
    if "*" in spec.origins and spec.credentials:
        # Every page that somebody opens could then use their cookies (Fetch §3.2.5 refuses it).
        checks.add("it cannot be combined with the origin '*'.", "cors", "credentials")


def check_origin(origin: str, checks: FieldChecks, *path: str | int) -> None:
    """Add a problem where `origin` could never equal what a browser sends."""
    if len(origin) > 256 or not _ORIGIN.fullmatch(origin):
        checks.add(
            f"{origin[:256]!r} is no origin such as https://app.example: lower case, no path.",
            *path,
        )


def check_authentication(
    spec: APISpec | OperationSpec, checks: FieldChecks, *here: str | int
) -> None:
    """Add what is wrong with the authentication that is asked for (RFC 9470)."""
    for at, acr in enumerate(spec.acr_values):
        if not _ACR.fullmatch(acr):
            checks.add(
                f'{acr[:128]!r} must have 1 to 128 characters and no space, " or \\.',
                *here,
                "acr_values",
                at,
            )
    if len(spec.acr_values) > _MOST_WORDS:
        checks.add(f"at most {_MOST_WORDS} are possible.", *here, "acr_values")
    if spec.max_auth_age_seconds is not None:
        checks.number(
            spec.max_auth_age_seconds, *here, "max_auth_age_seconds", least=1, most=_YEAR_SECONDS
        )
