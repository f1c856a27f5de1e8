"""The feed of revoked access tokens that gateways long-poll at the token service.

`GET /oauth/revocations?after=<cursor>&wait=<seconds>`, client authentication by HTTP Basic.
Without `after` the answer is the present cursor and no digests. `reset` is true when `after` is too
old to be continued, or when the key that signed the exchanged tokens is not believed any more: the
reader drops every cached token, takes the page's digests, and goes on from `cursor`.
"""

from collections.abc import Mapping
from dataclasses import dataclass


class MalformedFeed(ValueError):
    """The document is not a page of the feed."""


@dataclass(frozen=True, slots=True)
class RevocationPage:
    """Digests (SHA-256 of the token, 32 bytes each) revoked up to `cursor`."""

    cursor: int
    digests: tuple[bytes, ...] = ()
    reset: bool = False

    def as_document(self) -> dict[str, object]:
        """Return the JSON members; digests are hexadecimal."""
        return {
            "cursor": self.cursor,
            "digests": [digest.hex() for digest in self.digests],
            "reset": self.reset,
        }


def parse_page(document: object) -> RevocationPage:
    """Return the page in `document`. Raises MalformedFeed."""
    if not isinstance(document, Mapping):
        raise MalformedFeed("A page of the feed is a JSON object.")
    try:
        return RevocationPage(
            cursor=int(document["cursor"]),
            digests=tuple(bytes.fromhex(text) for text in document["digests"]),
            reset=bool(document["reset"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise MalformedFeed(f"The page of the feed is malformed: {error}") from error
