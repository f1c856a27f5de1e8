"""Values that count once: the `jti` of assertions and proofs, across all processes."""

import hashlib
from typing import Final

from django.core.cache import cache
from redis.exceptions import RedisError

from wire.oauth_errors import TemporarilyUnavailable

_SEPARATOR: Final = "\x1f"


def is_first_use(kind: str, *values: str, seconds: float) -> bool:
    """Whether `values` are seen for the first time within `seconds`; one round trip to Valkey.

    Raises TemporarilyUnavailable while Valkey does not answer: what cannot be checked is refused.
    """
    joined = _SEPARATOR.join(values)
    name = f"once:{kind}:{hashlib.sha256(joined.encode('utf-8', 'replace')).hexdigest()}"
    try:
        return bool(cache.add(name, 1, timeout=int(seconds) + 1))
    except RedisError as error:
        raise TemporarilyUnavailable(
            "This cannot be checked for replay right now; try again in a moment.",
            detail="Valkey does not answer",
        ) from error
