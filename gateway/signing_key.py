"""The gateway's own key, where it makes JWTs itself (`dataplane.minted_jwt`)."""

import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec


class SigningKeyUnusable(Exception):
    """The file holds no P-256 key; the message is one sentence that names it."""


def load_signing_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Return the key in `path`; made, for its owner alone to read, where there is none.

    Workers start at once: the first that puts its file in place wins, and all read that one.
    Raises SigningKeyUnusable and OSError.
    """
    if not path.exists():
        _make(path)
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError) as error:
        raise SigningKeyUnusable(f"{path} is no private key in PEM without password.") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise SigningKeyUnusable(f"{path} is no key of the curve P-256.")
    return key


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    draft.touch(mode=0o600, exist_ok=False)
    try:
        draft.write_bytes(pem)
        os.link(draft, path)
    except FileExistsError:
        pass  # another worker was first
    finally:
        draft.unlink()
