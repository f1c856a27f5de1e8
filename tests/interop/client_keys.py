"""Keys that clients prove themselves with (RFC 7523), or get their answers encrypted to."""

import secrets

from joserfc.jwk import ECKey, RSAKey

_GENERATE = {
    "ES256": lambda members: ECKey.generate_key("P-256", members),
    "PS256": lambda members: RSAKey.generate_key(2048, members),
}


def generate_key(algorithm):
    """Return a new private key, and the key set that its client registers."""
    members = {"kid": secrets.token_hex(4), "alg": algorithm, "use": "sig"}
    key = _GENERATE[algorithm](members)
    return key, {"keys": [key.as_dict(private=False)]}


def generate_decryption_key(algorithm):
    """Return a new private key for `algorithm`, and the key set that its client registers."""
    members = {"kid": secrets.token_hex(4), "alg": algorithm, "use": "enc"}
    key = ECKey.generate_key("P-256", members)
    return key, {"keys": [key.as_dict(private=False)]}
