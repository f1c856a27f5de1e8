"""Whether calls are traced, which, and where spans go; from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

POLICIES: Final = ("trusted", "continue", "start")


@dataclass(frozen=True, slots=True)
class TraceSettings:
    """`parent`: whose traces are continued, those of trusted proxies, of everybody, of nobody."""

    endpoint: str  # of OTLP/HTTP, without /v1/traces
    ratio: float  # of the traces that begin here
    parent: str
    headers: tuple[tuple[bytes, bytes], ...]  # for the collector; may hold a credential


def read_settings(environ: Mapping[str, str]) -> TraceSettings | None:
    """Return the settings, None where nothing is traced. Raises ValueError, naming the variable."""
    endpoint = environ.get("TOLLGATE_OTLP_ENDPOINT", "").rstrip("/")
    if not endpoint:
        return None
    parts = urlsplit(endpoint)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query:
        raise ValueError("TOLLGATE_OTLP_ENDPOINT must be an http or https URL.")
    parent = environ.get("TOLLGATE_TRACE_PARENT") or POLICIES[0]
    if parent not in POLICIES:
        raise ValueError(f"TOLLGATE_TRACE_PARENT must be one of {', '.join(POLICIES)}.")
    return TraceSettings(
        endpoint=endpoint,
        ratio=_ratio(environ.get("TOLLGATE_TRACE_RATIO") or "0.01"),
        parent=parent,
        headers=_headers(environ.get("TOLLGATE_OTLP_HEADERS", "")),
    )


def _ratio(text: str) -> float:
    try:
        ratio = float(text)
    except ValueError:
        ratio = -1.0
    if not 0 <= ratio <= 1:
        raise ValueError("TOLLGATE_TRACE_RATIO must be a number from 0 to 1.")
    return ratio


def _headers(text: str) -> tuple[tuple[bytes, bytes], ...]:
    found = []
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = pair.partition("=")
        if not equals or not name.strip().isascii() or not value.isascii():
            raise ValueError("TOLLGATE_OTLP_HEADERS must be name=value, separated by commas.")
        found.append((name.strip().lower().encode(), value.strip().encode()))
    return tuple(found)
