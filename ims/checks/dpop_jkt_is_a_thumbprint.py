"""RFC 9449 §10: the key that the code will be bound to, named by its thumbprint."""

import re
from typing import Final

from ims.authorization.request import AuthorizationRequest
from wire.oauth_errors import InvalidRequest

# RFC 7638 §3: the base64url of a SHA-256 digest, without padding.
_THUMBPRINT: Final = re.compile(r"[A-Za-z0-9_-]{43}")


def check(request: AuthorizationRequest) -> None:
    """Set `dpop_jkt`, empty where the client named no key. Raises InvalidRequest."""
    thumbprint = request.value("dpop_jkt")
    if thumbprint and not _THUMBPRINT.fullmatch(thumbprint):
        raise InvalidRequest(
            "dpop_jkt: expected a JWK SHA-256 thumbprint, 43 characters of base64url."
        )
    request.dpop_jkt = thumbprint
