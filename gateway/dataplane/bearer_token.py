"""RFC 6750 §2.1, RFC 9449 §7.1: the token in the Authorization header."""

from typing import Final

from gateway.dataplane.call import Call
from gateway.dataplane.errors import CredentialsMissing, InvalidToken, InvalidTokenRequest
from wire.bearer import B64TOKEN, Prefix, is_well_formed

_MAX_TOKEN_BYTES: Final = 4096
_MISSING: Final = "Send an access token: Authorization: Bearer <token>."


def read_token(call: Call) -> bytes:
    """Return what follows the scheme and its spaces; the grammar is `check_token`'s business.

    RFC 6750 §2.1, RFC 9449 §7.1. Raises CredentialsMissing without the header and for another
    scheme (RFC 6750 §3.1: no error code then). The scheme's case is free (RFC 9110 §11.1).
    """
    authorization = call.authorization
    if authorization is None:
        raise CredentialsMissing(_MISSING)
    if authorization[:7].lower() == b"bearer ":
        return authorization[7:].lstrip(b" ")
    if authorization[:5].lower() == b"dpop ":
        call.note().is_dpop = True
        return authorization[5:].lstrip(b" ")
    raise CredentialsMissing(_MISSING)


def check_token(token: bytes, *, any_format: bool) -> None:
    """Refuse what cannot be a token, without asking anyone.

    Called once per token: a token that is in the cache passed when it got there. Raises
    InvalidTokenRequest when it is no b64token, InvalidToken when prefix or checksum are wrong.
    """
    if len(token) > _MAX_TOKEN_BYTES or not B64TOKEN.fullmatch(token):
        raise InvalidTokenRequest("What follows the scheme is not a token (RFC 6750 section 2.1).")
    if not any_format and not is_well_formed(token.decode("ascii"), Prefix.ACCESS_TOKEN):
        raise InvalidToken("This is not an access token of this platform, or it is mistyped.")
