"""RFC 7636 §4.3, RFC 9700 §2.1.1: every client uses PKCE, and only with S256."""

import re
from typing import Final

from ims.authorization.request import AuthorizationRequest
from wire.oauth_errors import InvalidRequest

# RFC 7636 §4.2: the base64url of a SHA-256 digest, without padding, is 43 characters long.
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")


def check(request: AuthorizationRequest) -> None:
    """Set `code_challenge`. Raises InvalidRequest."""
    challenge = request.value("code_challenge")
    if not challenge:
        raise InvalidRequest("code_challenge: PKCE is required; send a challenge.")
    # RFC 7636 §4.3: a missing method means plain, which shows the verifier to whoever reads along.
    if request.value("code_challenge_method") != "S256":
        raise InvalidRequest("code_challenge_method: only S256 is supported; plain is refused.")
    if not _CHALLENGE.fullmatch(challenge):
        raise InvalidRequest(
            "code_challenge: expected the base64url of a SHA-256 digest, 43 characters, no padding."
        )
    request.code_challenge = challenge
