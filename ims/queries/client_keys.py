"""RFC 7591 §2: the public keys of a client, from its record or from its `jwks_uri`."""

import json
import logging
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ims.errors import FetchFailed
from ims.jws import JWS, list_candidates
from ims.models import Client
from ims.outbound.get_document import Limits, get_document

logger = logging.getLogger(__name__)

_LIMITS: Final = Limits(
    accept="application/jwk-set+json, application/json", max_bytes=65_536, timeout_seconds=3
)
# A signature by a key that we have not seen makes us ask again, but no more often than this.
RENEW_SECONDS: Final = 60


def list_signing_keys(*, client: Client, jws: JWS) -> Iterator[Mapping[str, Any]]:
    """Return the keys of `client` that may have signed `jws`; runs no statement.

    Blocks for a fetch when the cache has no fresh copy of `jwks_uri`, or none of its keys fits:
    the client may have changed its keys since. None fit when the fetch fails.
    """
    if "jwks" in client.metadata:
        yield from list_candidates(jws, client.metadata["jwks"])
        return
    url = client.metadata.get("jwks_uri")
    if not isinstance(url, str):
        return
    keys = list(list_candidates(jws, _read_jwks(url)))
    yield from keys or list_candidates(jws, _read_jwks(url, most_age_seconds=RENEW_SECONDS))


def _read_jwks(url: str, *, most_age_seconds: int | None = None) -> object:
    try:
        document = get_document(url, limits=_LIMITS, most_age_seconds=most_age_seconds)
        return json.loads(document.body)
    except FetchFailed as error:
        logger.warning("The keys of a client cannot be read: %s", error)
    except (ValueError, RecursionError):
        logger.warning("The keys of a client cannot be read: the document is no JSON")
    return None
