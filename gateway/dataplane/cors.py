"""Fetch §3.2: which pages of other origins may call an API, answered here and never forwarded.

A preflight is answered without a token, as browsers send none with it; it says what may be asked,
and gives nothing away. Calls themselves need their token from every origin alike, so none of this
is a way around authentication: it only lets pages read what they may ask for anyway.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from gateway.dataplane.errors import Headers, OptionsAnswered
from wire.gateway_snapshot import API, CORS

ANY: Final = "*"
# Fields of requests that calls of APIs need, so nobody has to list them.
_ALWAYS_ALLOWED: Final = ("authorization", "content-type", "dpop")
# Fields of answers that say why a call was refused and what to do.
_ALWAYS_EXPOSED: Final = (
    "www-authenticate",
    "dpop-nonce",
    "retry-after",
    "ratelimit",
    "ratelimit-policy",
    "x-request-id",
)
_FIELD_NAME: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}")
_MOST_NAMES: Final = 64
_PREFIX: Final = b"access-control-"
_VARY: Final = (b"vary", b"origin")
_PREFLIGHT_VARY: Final = (
    b"vary",
    b"origin, access-control-request-method, access-control-request-headers",
)


class CORSPolicy:
    """What one API lets pages of other origins do, as lines that are ready to send."""

    def __init__(self, cors: CORS) -> None:
        self._methods = frozenset(cors.methods)
        self._takes_any_header = ANY in cors.headers
        self._max_age = b"%d" % cors.max_age_seconds
        allowed = dict.fromkeys((*_ALWAYS_ALLOWED, *cors.headers))
        self._allowed_headers = ", ".join(name for name in allowed if name != ANY).encode()
        exposed = ", ".join(dict.fromkeys((*_ALWAYS_EXPOSED, *cors.exposed_headers))).encode()
        self._takes_any_origin = ANY in cors.origins
        # With "*" the answer is the same for everybody, and caches need not tell them apart.
        self._to_others: Headers = [_VARY]
        self._to_known: dict[bytes, Headers] = {}
        if self._takes_any_origin:
            self._to_others = _lines(b"*", exposed, credentials=False)
        else:
            self._to_known = {
                origin.encode(): [_VARY, *_lines(origin.encode(), exposed, cors.credentials)]
                for origin in cors.origins
            }
        self._credentials = cors.credentials and not self._takes_any_origin

    def answer_fields(self, origin: bytes) -> Headers:
        """Return what an answer to a page of `origin` gets; empty: a call from no page."""
        return self._to_known.get(origin, self._to_others)

    def preflight(self, allow: str, origin: bytes, requested: Headers) -> "Preflight":
        """Return the answer to a preflight; it allows nothing to an origin that may do nothing."""
        wanted = dict(requested)
        method = wanted.get(b"access-control-request-method", b"").decode("latin-1")
        methods = allow.split(", ")
        if self._methods:
            methods = [name for name in methods if name in self._methods]
        is_known = self._takes_any_origin or origin in self._to_known
        if not is_known or method not in methods:
            return Preflight(allow, [_PREFLIGHT_VARY])
        fields = [
            _PREFLIGHT_VARY,
            (b"access-control-allow-origin", b"*" if self._takes_any_origin else origin),
            (b"access-control-allow-methods", ", ".join(methods).encode()),
            (b"access-control-allow-headers", self._headers_for(wanted)),
            (b"access-control-max-age", self._max_age),
        ]
        if self._credentials:
            fields.append((b"access-control-allow-credentials", b"true"))
        return Preflight(allow, fields)

    def _headers_for(self, wanted: Mapping[bytes, bytes]) -> bytes:
        if not self._takes_any_header:
            return self._allowed_headers
        # "*" leaves out Authorization, and means itself where credentials are sent: we repeat what
        # was asked for, as far as these are names.
        asked = wanted.get(b"access-control-request-headers", b"").split(b",")[:_MOST_NAMES]
        names = [name.strip() for name in asked]
        return b", ".join(
            [self._allowed_headers, *(name for name in names if _FIELD_NAME.fullmatch(name))]
        )


class Preflight(OptionsAnswered):
    """Not an error: the answer to a preflight."""

    def __init__(self, allow: str, fields: Headers) -> None:
        super().__init__(allow)
        self._fields = fields

    def headers(self) -> Headers:
        return [*super().headers(), *self._fields]


def build_policies(apis: Iterable[API]) -> Mapping[str, CORSPolicy]:
    """Return the policies by API id; APIs that no other origin may call have none."""
    return {api.id: CORSPolicy(api.cors) for api in apis if api.cors is not None}


def without_upstream_policy(fields: Headers, ours: int) -> Headers:
    """Return `fields` without what the upstream says of other origins; the first `ours` are ours.

    Two policies in one answer are none: browsers refuse a field that is there twice.
    """
    return fields[:ours] + [row for row in fields[ours:] if not row[0].lower().startswith(_PREFIX)]


def _lines(origin: bytes, exposed: bytes, credentials: bool) -> Headers:  # noqa: FBT001 - internal
    lines = [
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", exposed),
    ]
    if credentials:
        lines.append((b"access-control-allow-credentials", b"true"))
    return lines
