"""OIDC Core §3.1.3.7: an ID token is about the sign-in that we started, or refused."""

import base64
import hashlib
import hmac
from typing import Any, Final

import jwt

from portal.errors import SignInFailed
from portal.ims_client import TokenService

LEEWAY_SECONDS: Final = 30
_REFUSED: Final = "The sign-in service's answer could not be verified. Sign in again."


def verify_id_token(
    token: str, *, service: TokenService, client_id: str, nonce: str, access_token: str
) -> dict[str, Any]:
    """Return the claims of a valid ID token. Raises SignInFailed.

    Checked: ES256 signature by a key of the JWKS, iss, aud, azp, exp, iat,
    nonce, and at_hash (§3.1.3.6) where it is present.
    """
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            _find_key(token, service),
            algorithms=["ES256"],
            audience=client_id,
            issuer=service.issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": ["iss", "sub", "aud", "exp", "iat", "nonce"]},
        )
    except (jwt.PyJWTError, ValueError) as error:
        raise SignInFailed(_REFUSED) from error
    if not hmac.compare_digest(str(claims["nonce"]).encode(), nonce.encode()):
        raise SignInFailed(_REFUSED)
    # Step 3: an audience beside us that we do not know is reason enough to refuse.
    if claims["aud"] not in (client_id, [client_id]) or claims.get("azp", client_id) != client_id:
        raise SignInFailed(_REFUSED)
    if "at_hash" in claims and claims["at_hash"] != hash_access_token(access_token):
        raise SignInFailed(_REFUSED)
    return claims


def hash_access_token(access_token: str) -> str:
    """Return at_hash: the left half of SHA-256, base64url without padding (§3.1.3.6)."""
    digest = hashlib.sha256(access_token.encode()).digest()
    return base64.urlsafe_b64encode(digest[:16]).rstrip(b"=").decode()


def _find_key(token: str, service: TokenService) -> jwt.PyJWK:
    key_id = jwt.get_unverified_header(token).get("kid")
    for refresh in (False, True):  # a key made after we last looked
        for key in jwt.PyJWKSet.from_dict(service.get_keys(refresh=refresh)).keys:
            if key.key_id == key_id:
                return key
    raise jwt.InvalidKeyError("unknown key id")
