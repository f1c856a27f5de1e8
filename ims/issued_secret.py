"""A client secret at the only moment at which it is known."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class IssuedSecret:
    """The secret itself, to be shown once, and its end (None: it has none)."""

    secret: str = field(repr=False)
    expires_at: datetime | None
