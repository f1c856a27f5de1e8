"""UUID version 7 (RFC 9562 §5.7): time-ordered identifiers, until the standard library has them."""

import secrets
import time
import uuid


def uuid7() -> uuid.UUID:
    """Return a UUID whose first 48 bits are the Unix time in milliseconds."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & 0xFFFF_FFFF_FFFF) << 80
    value |= 0x7 << 76
    value |= secrets.randbits(12) << 64
    value |= 0b10 << 62
    value |= secrets.randbits(62)
    return uuid.UUID(int=value)
