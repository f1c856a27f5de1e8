"""Usernames of people, who sign in with their e-mail address and never choose one."""

import re
import secrets
from typing import Final

_NOT_IN_USERNAMES: Final = re.compile(r"[^a-z0-9.]+")
_SUFFIX_ALPHABET: Final = "23456789abcdefghjkmnpqrstvwxyz"
_LONGEST_STEM: Final = 64


def propose_username(email: str) -> str:
    """Return a new username: what stands before the @, and eight random characters.

    The rest of the address stays out, for `preferred_username` is shown without the scope `email`.
    The random part keeps everybody from taking a name like `admin` before its owner does.
    """
    local_part = email.lower().partition("@")[0]
    stem = _NOT_IN_USERNAMES.sub("", local_part)[:_LONGEST_STEM] or "user"
    suffix = "".join(secrets.choice(_SUFFIX_ALPHABET) for _ in range(8))
    return f"{stem}-{suffix}"
