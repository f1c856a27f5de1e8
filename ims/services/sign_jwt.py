"""Sign a JWT with the active key (RFC 7515, RFC 7519)."""

import jwt

from ims import conf, keyring


def sign_jwt(*, claims: dict[str, object], typ: str) -> str:
    """Return the compact ES256 serialisation of `claims`; `typ` is the header's media type.

    The caller sets every claim, `iss` and `exp` included. `typ` keeps one kind of JWT from being
    taken for another (RFC 8725 §3.11). Raises NoSigningKey.
    """
    key = keyring.active_key()
    return jwt.encode(
        claims,
        key.private_key,
        algorithm=conf.SIGNING_ALGORITHM,
        headers={"kid": key.kid, "typ": typ},
    )
