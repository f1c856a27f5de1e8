"""RP-Initiated Logout 1.0 §2: the ID token that a client shows to say whom it means."""

import re
from dataclasses import dataclass
from typing import Final

import jwt

from ims import conf
from ims.queries.signing_keys import find_known_key

_THUMBPRINT: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")  # RFC 7638; SigningKey.kid


@dataclass(frozen=True, slots=True)
class IDTokenHint:
    """Whom the token was about, and for which client it was made."""

    subject: str
    client_id: str


def find_hint(id_token: str) -> IDTokenHint | None:
    """Return what `id_token` says if we signed it, or None; runs a statement.

    It may have expired (§2: "the OP SHOULD accept ID Tokens when the RP identified by the ID
    Token's aud claim and/or sid claim has a current session"). An access token JWT is no ID token:
    its header has another `typ`.
    """
    try:
        header = jwt.get_unverified_header(id_token)
        kid = str(header.get("kid", ""))
        # Asked of the database in its own alphabet only: others it may not even take.
        key = find_known_key(kid) if _THUMBPRINT.fullmatch(kid) else None
        if key is None or header.get("typ") != "JWT":
            return None
        claims = jwt.decode(
            id_token,
            jwt.PyJWK(key.public_jwk),
            algorithms=[key.algorithm],
            issuer=conf.issuer(),
            options={"verify_exp": False, "verify_aud": False, "require": ["sub", "aud", "iss"]},
        )
    except jwt.InvalidTokenError:
        return None
    return IDTokenHint(subject=str(claims["sub"]), client_id=str(claims["aud"]))
