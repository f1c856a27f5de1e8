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
from wire.gateway_snapshot import API, Issuer
from wire.jws import ALGORITHMS

WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"
MAX_AGE_SECONDS: Final = 300
_PREFIX: Final = f"{WELL_KNOWN}/".encode()
JWKS_PATH: Final = b"/.well-known/jwks.json"
_METHODS: Final = "GET, HEAD, OPTIONS"
# Host and port only: the address stands between quotes in a header field.
_AUTHORITY: Final = re.compile(r"[A-Za-z0-9.\-_\[\]:]+")
# Browser clients read it from any origin; it holds nothing that is not public (Fetch §3.2.3).
_SHARED: Final = (b"access-control-allow-origin", b"*")


class ResourceMetadata:
    """The documents of one snapshot, and their addresses."""

    def __init__(
        self,
        apis: Iterable[API],
        *,
        issuer: str,
        gateway_url: str,
        issuers: Mapping[str, tuple[Issuer, ...]],
        jwks: bytes = b"",
        takes_certificates: bool = False,
    ) -> None:
        """`issuer` is the one whose tokens this gateway takes; without it nothing is said.

        `issuers` are the foreign ones beside it, by API id; `jwks` the gateway's own keys, if any.
        """
        self._gateway_url = gateway_url.rstrip("/")
        self._jwks = jwks
        self._issuer = issuer
        self._issuers = issuers
        self._takes_certificates = takes_certificates
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
        document = self._write(raw_path)
        if not document:
            return None
        if method == "OPTIONS":
            return CrossOriginAnswer(_METHODS)
        if method not in {"GET", "HEAD"}:
            raise MethodNotAllowed("Metadata is only read.", _METHODS)
        cache = (b"cache-control", b"max-age=%d" % MAX_AGE_SECONDS)
        return Answer(document, [(b"content-type", b"application/json"), cache, _SHARED])

    def _write(self, raw_path: bytes) -> bytes:
        """Return the document at an address, nothing where there is none."""
        if raw_path == JWKS_PATH:
            return self._jwks
        api = self._find(raw_path[len(_PREFIX) - 1 :]) if raw_path.startswith(_PREFIX) else None
        if api is None:
            return b""
        issuers = [self._issuer, *(one.issuer for one in self._issuers.get(api.id, ()))]
        bindings = _describe_bindings(api, takes_certificates=self._takes_certificates)
        return json.dumps(_describe(api, issuers) | bindings).encode()

    def _find(self, path: bytes) -> API | None:
        while path:
            api = self._apis.get(path)
            if api is not None:
                return api
            path = path.rpartition(b"/")[0]
        return None


def _describe_bindings(api: API, *, takes_certificates: bool) -> dict[str, object]:
    """Return what it says of tokens that are bound to a key."""
    members: dict[str, object] = {"dpop_signing_alg_values_supported": list(ALGORITHMS)}
    if takes_certificates:
        members["tls_client_certificate_bound_access_tokens"] = True
    elif api.requires_bound_tokens:
        members["dpop_bound_access_tokens_required"] = True
    return members


def _describe(api: API, issuers: list[str]) -> dict[str, object]:
    """Return the members of RFC 9728 §2."""
    document: dict[str, object] = {
        "resource": api.resource,
        "authorization_servers": issuers,
        "bearer_methods_supported": ["header"],
        "resource_name": api.name,
    }
    if api.scopes:
        document["scopes_supported"] = list(api.scopes)
    if api.documentation_url:
        document["resource_documentation"] = api.documentation_url
    return document
