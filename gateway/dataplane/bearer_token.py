"""RFC 6750 §2.1: the token in the Authorization header."""

from typing import Final

from gateway.dataplane.errors import InvalidToken, InvalidTokenRequest
from wire.bearer import B64TOKEN, Prefix, is_well_formed

_MAX_TOKEN_BYTES: Final = 4096


def read_token(authorization: bytes) -> bytes:
    """Return what follows `Bearer` and its spaces; the grammar is `check_token`'s business.

    Raises InvalidTokenRequest for another scheme. The scheme's case is free (RFC 9110 §11.1).
    """
    if authorization[:7].lower() != b"bearer ":
        raise InvalidTokenRequest("The Authorization header must be: Bearer <access token>.")
    return authorization[7:].lstrip(b" ")


def check_token(token: bytes, *, any_format: bool) -> None:
    """Refuse what cannot be a token, without asking anyone.

    Called once per token: a token that is in the cache passed when it got there. Raises
    InvalidTokenRequest when it is no b64token, InvalidToken when prefix or checksum are wrong.
    """
    if len(token) > _MAX_TOKEN_BYTES or not B64TOKEN.fullmatch(token):
        raise InvalidTokenRequest("What follows Bearer is not a token (RFC 6750 section 2.1).")
    if not any_format and not is_well_formed(token.decode("ascii"), Prefix.ACCESS_TOKEN):
        raise InvalidToken("This is not an access token of this platform, or it is mistyped.")
