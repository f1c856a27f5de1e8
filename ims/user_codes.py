"""RFC 8628 §6.1: the code that a person reads on a device and types on our page.

Eight letters without vowels make no words and are hard to misread; case, dashes and spaces do not
matter. 35 bits are few: codes live for minutes, wrong ones are counted (`ims.throttle`), and what
is stored is a digest under a key made from SECRET_KEY.
"""

import hmac
import secrets
from functools import lru_cache
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.encoding import force_bytes

_ALPHABET: Final = "BCDFGHJKLMNPQRSTVWXZ"
_LENGTH: Final = 8
# More than that is no code, however it is punctuated.
_LONGEST_TYPED: Final = 64
_PURPOSE: Final = b"tollgate ims user code digest v1"


def mint_user_code() -> str:
    """Return a new code as it is shown: XXXX-XXXX."""
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
    return _show(letters)


def read_user_code(typed: str) -> str:
    """Return the code that a person means, as it is shown, or nothing when it cannot be one.

    RFC 8628 §6.1: characters outside of the alphabet are left out before codes are compared.
    """
    letters = "".join(c for c in typed[:_LONGEST_TYPED].upper() if c in _ALPHABET)
    return _show(letters) if len(letters) == _LENGTH else ""


def digest_user_code(user_code: str) -> bytes:
    """Return the 32 bytes under which the code, as it is shown, is stored."""
    return _digest(user_code, settings.SECRET_KEY)


def list_possible_digests(user_code: str) -> list[bytes]:
    """Return where the code may be stored: under SECRET_KEY or one of its fallbacks."""
    return [
        _digest(user_code, secret)
        for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    ]


def _show(letters: str) -> str:
    return f"{letters[:4]}-{letters[4:]}"


def _digest(user_code: str, secret: str | bytes) -> bytes:
    return hmac.digest(_digest_key(force_bytes(secret)), user_code.encode(), "sha256")


@lru_cache(maxsize=4)
def _digest_key(secret: bytes) -> bytes:
    """Return 32 bytes derived from a SECRET_KEY for this one purpose (RFC 5869)."""
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret)
