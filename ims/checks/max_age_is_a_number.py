"""OpenID Connect Core §3.1.2.1: `max_age` is a number of seconds."""

import re
from typing import Final

from ims.authorization.request import AuthorizationRequest
from wire.oauth_errors import InvalidRequest

_SECONDS: Final = re.compile(r"[0-9]{1,9}")


def check(request: AuthorizationRequest) -> None:
    """Set `max_age_seconds`; None where the client did not ask. Raises InvalidRequest."""
    text = request.value("max_age")
    if text and not _SECONDS.fullmatch(text):
        raise InvalidRequest("max_age: expected a whole number of seconds, zero or more.")
    request.max_age_seconds = int(text) if text else None
