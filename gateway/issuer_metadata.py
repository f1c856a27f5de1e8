"""RFC 8414, OpenID Connect Discovery 1.0: what an authorization server says of itself."""

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.origin_client import OriginClient

_JSON: Final = [(b"accept", b"application/json")]
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class MetadataUnusable(Exception):
    """The document is not there or not to be used; the text is for the log."""


async def read_metadata(client: OriginClient, issuer: str) -> Mapping[str, Any]:
    """Return the metadata of `issuer`. Raises MetadataUnusable and OriginUnreachable.

    RFC 8414 §3 puts the well-known part before the issuer's path, OpenID Connect after it; the
    first document that is there counts. RFC 8414 §3.3: another issuer's must not be used.
    """
    status = 0
    for url in _addresses(issuer):
        answer = await client.request(b"GET", url, _JSON)
        status = answer.status
        if status != 200:
            continue
        try:
            document = json.loads(answer.body)
        except (ValueError, RecursionError) as error:
            raise MetadataUnusable("discovery: the answer is no JSON.") from error
        if not isinstance(document, Mapping) or document.get("issuer") != issuer:
            raise MetadataUnusable("discovery: the document is of another issuer.")
        return document
    raise MetadataUnusable(f"discovery: there is no document; the last answer is {status}.")


def is_fetchable(url: str) -> bool:
    """Whether `url` is https, or http to this machine: keys from anywhere else prove nothing."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    is_local = parts.scheme == "http" and parts.hostname in _LOOPBACK
    return bool(parts.hostname) and (parts.scheme == "https" or is_local)


def _addresses(issuer: str) -> tuple[str, ...]:
    parts = urlsplit(issuer)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    return (
        f"{origin}/.well-known/oauth-authorization-server{path}",
        f"{origin}{path}/.well-known/openid-configuration",
    )
