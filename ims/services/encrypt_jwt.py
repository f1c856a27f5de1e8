"""Encrypt a signed JWT to somebody's public key (RFC 7516, RFC 7519 §5.2)."""

import json
from collections.abc import Mapping
from typing import Any

from jwcrypto.jwe import JWE

from ims.jwks import UnusableJWKS, choose_encryption_key
from wire.oauth_errors import ServerError


def encrypt_jwt(
    *,
    jwt: str,
    algorithm: str,
    jwks: Mapping[str, Any] | None,
    content_encryption: str = "A256GCM",
    header: Mapping[str, object] | None = None,
) -> str:
    """Return the compact JWE of `jwt` to the first fitting key of `jwks`.

    `header` is added to the protected header, in clear. Takes about half a millisecond. Raises
    ServerError when no key fits: the caller never sends it in clear instead.
    """
    try:
        key = choose_encryption_key(jwks, algorithm)
    except UnusableJWKS as error:
        raise ServerError(
            "The JWT cannot be encrypted: its reader has published no fitting key.",
            detail=str(error),
        ) from error
    protected: dict[str, object] = {
        **(header or {}),
        "alg": algorithm,
        "enc": content_encryption,
        "cty": "JWT",
    }
    if key.get("kid"):
        protected["kid"] = key["kid"]
    jwe = JWE(
        plaintext=jwt.encode("ascii"),
        protected=json.dumps(protected, separators=(",", ":")),
        recipient=key,
    )
    return str(jwe.serialize(compact=True))
