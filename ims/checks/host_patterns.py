"""Lists of hosts as an administrator writes them: `app.example`, `*.app.example`."""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

_PATTERN: Final = re.compile(r"(?:\*\.)?[a-z0-9](?:[a-z0-9.+-]*[a-z0-9])?|[0-9a-f:]+")


def is_host_pattern(text: str) -> bool:
    """Whether `text` is a host name, an address, a private scheme, or `*.` and a host name."""
    return _PATTERN.fullmatch(text) is not None


def host_matches(host: str, patterns: Iterable[str]) -> bool:
    """Whether one of `patterns` covers `host`; `*.x` covers every host below x, and not x."""
    name = host.lower().rstrip(".")
    return any(
        name.endswith(pattern[1:]) if pattern.startswith("*.") else name == pattern
        for pattern in patterns
    )


def host_of(uri: str) -> str:
    """Return the host of a checked `uri`; a private scheme stands for itself (RFC 8252 §7.1)."""
    parts = urlsplit(uri)
    return parts.hostname or parts.scheme
