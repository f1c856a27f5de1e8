"""A form that may be sent once: its token is spent in Valkey, in one step."""

import secrets
from typing import Final

from django.core.cache import cache

_KEEP_SECONDS: Final = 86_400
_MAX_LENGTH: Final = 64


def new_submission() -> str:
    """Return a token for a hidden field."""
    return secrets.token_urlsafe(16)


def claim_submission(token: str) -> bool:
    """Spend the token; False where it was spent before (a reload, a double click) or is junk."""
    if not token or len(token) > _MAX_LENGTH or not token.isascii():
        return False
    return bool(cache.add(f"portal:submission:{token}", 1, _KEEP_SECONDS))
