"""RFC 8693: how an access token came from another one."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Derivation:
    """`parent_digest` is that of the subject token: when it is revoked, so is what came from it.

    `subject` is the `sub` that the new token tells; `actor` is its `act` claim (§4.1), or None.
    """

    parent_digest: bytes
    subject: str
    actor: Mapping[str, object] | None = None
