"""RFC 7591 §2.3: software statements, of which this installation trusts none."""

import re
from collections.abc import Mapping
from typing import Final

from wire.oauth_errors import InvalidSoftwareStatement, UnapprovedSoftwareStatement

_COMPACT_JWS: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


def refuse_software_statement(given: Mapping[str, object]) -> None:
    """Refuse a request that relies on one: §2.3 gives its claims precedence over the rest.

    Left out in silence, they would be missing from the record. Raises InvalidSoftwareStatement and
    UnapprovedSoftwareStatement (§3.2.2).
    """
    if "software_statement" not in given:
        return
    statement = given["software_statement"]
    if not isinstance(statement, str) or not _COMPACT_JWS.fullmatch(statement):
        raise InvalidSoftwareStatement("software_statement: a signed JWT is expected.")
    raise UnapprovedSoftwareStatement(
        "software_statement: no issuer of statements is trusted here; leave it out and send its"
        " claims as plain metadata."
    )
