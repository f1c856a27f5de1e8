"""OpenID Connect Core §3.1.2.1: the nonce is returned unchanged, so it must fit where it waits."""

from typing import Final

from ims.authorization.request import AuthorizationRequest
from wire.oauth_errors import InvalidRequest

_LONGEST: Final = 512  # characters; AuthorizationCode.nonce


def check(request: AuthorizationRequest) -> None:
    """Set `nonce`. Raises InvalidRequest."""
    nonce = request.value("nonce")
    if len(nonce) > _LONGEST:
        raise InvalidRequest(f"nonce: at most {_LONGEST} characters.")
    request.nonce = nonce
