"""Sign a JWT with the active key of an algorithm (RFC 7515, RFC 7519)."""

import json
from collections.abc import Mapping
from functools import lru_cache

from ims import conf, keyring
from ims.errors import NoSigningKey
from ims.keyring import ActiveKey
from ims.services.ensure_signing_key import ensure_signing_key
from ims.signing_algorithms import base64url


def sign_jwt(
    *, claims: Mapping[str, object], typ: str, algorithm: str = conf.SIGNING_ALGORITHM
) -> str:
    """Return the compact serialisation of `claims`; `typ` is the header's media type.

    The caller sets every claim, `iss` and `exp` included. `typ` keeps one kind of JWT from being
    taken for another (RFC 8725 §3.11). The first signature of an algorithm makes its key.
    """
    key = _get_key(algorithm)
    payload = base64url(json.dumps(claims, separators=(",", ":")).encode())
    signed = f"{_encode_header(algorithm, key.kid, typ)}.{payload}"
    return f"{signed}.{base64url(key.sign(signed.encode('ascii')))}"


def _get_key(algorithm: str) -> ActiveKey:
    try:
        return keyring.active_key(algorithm)
    except NoSigningKey:
        ensure_signing_key(algorithm=algorithm)
        key = keyring.active_key(algorithm)
        # Should the transaction around this call fail, the key never was: do not remember it.
        keyring.forget()
        return key


@lru_cache(maxsize=64)  # few keys, few kinds of JWT
def _encode_header(algorithm: str, kid: str, typ: str) -> str:
    header = {"alg": algorithm, "kid": kid, "typ": typ}
    return base64url(json.dumps(header, separators=(",", ":")).encode())
