"""RFC 9728: what each API says of itself to clients that do not know it yet.

The gateway is the protected resource that clients see, so it answers for every API at the address
of RFC 9728 §3.1: the well-known part goes before the API's base path. Whoever asks needs no token.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import urlsplit

from gateway.dataplane.errors import Answer, CrossOriginAnswer, MethodNotAllowed
from wire.gateway_snapshot import API

WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"
MAX_AGE_SECONDS: Final = 300
_PREFIX: Final = f"{WELL_KNOWN}/".encode()
_METHODS: Final = "GET, HEAD, OPTIONS"
# Host and port only: the address stands between quotes in a header field.
_AUTHORITY: Final = re.compile(r"[A-Za-z0-9.\-_\[\]:]+")
# Browser clients read it from any origin; it holds nothing that is not public (Fetch §3.2.3).
_SHARED: Final = (b"access-control-allow-origin", b"*")


class ResourceMetadata:
    """The documents of one snapshot, and their addresses."""

    def __init__(self, apis: Iterable[API], *, issuer: str, gateway_url: str) -> None:
        """`issuer` is the one whose tokens this gateway takes; without it nothing is said."""
        self._gateway_url = gateway_url.rstrip("/")
        self._issuer = issuer
        # Written out when asked for: calls that are admitted need none.
        self._apis = {api.base_path.encode(): api for api in apis} if issuer else {}

    def address_of(self, api: API) -> str:
        """Return the URL of the API's document (RFC 9728 §5.1), or nothing when it has none.

        Its origin is that of the resource where the resource is the API's own address, else that
        of the gateway: never what a Host header says, which a client may choose.
        """
        if api.base_path.encode() not in self._apis:
            return ""
        parts = urlsplit(api.resource)
        is_own = parts.path == api.base_path and _AUTHORITY.fullmatch(parts.netloc)
        own = f"{parts.scheme}://{parts.netloc}" if is_own else ""
        origin = own or self._gateway_url
        return f"{origin}{WELL_KNOWN}{api.base_path}" if origin else ""

    def answer(self, method: str, raw_path: bytes) -> Answer | CrossOriginAnswer | None:
        """Return the answer to a call below the well-known address, None when it is none.

        An API answers for every address below its base path, too: clients ask for the path that
        they were about to call. Raises MethodNotAllowed.
        """
        if not raw_path.startswith(_PREFIX):
            return None
        api = self._find(raw_path[len(_PREFIX) - 1 :])
        if api is None:
            return None
        if method == "OPTIONS":
            return CrossOriginAnswer(_METHODS)
        if method not in {"GET", "HEAD"}:
            raise MethodNotAllowed("Metadata is only read.", _METHODS)
        document = json.dumps(_describe(api, self._issuer)).encode()
        cache = (b"cache-control", b"public, max-age=%d" % MAX_AGE_SECONDS)
        return Answer(document, [(b"content-type", b"application/json"), cache, _SHARED])

    def _find(self, path: bytes) -> API | None:
        while path:
            api = self._apis.get(path)
            if api is not None:
                return api
            path = path.rpartition(b"/")[0]
        return None


def _describe(api: API, issuer: str) -> Mapping[str, object]:
    """Return the members of RFC 9728 §2."""
    document: dict[str, object] = {
        "resource": api.resource,
        "authorization_servers": [issuer],
        "bearer_methods_supported": ["header"],
        "resource_name": api.name,
    }
    if api.scopes:
        document["scopes_supported"] = list(api.scopes)
    if api.documentation_url:
        document["resource_documentation"] = api.documentation_url
    return document
