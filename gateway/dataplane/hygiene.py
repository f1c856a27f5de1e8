"""Refuse what two parties could read in two ways, before anything is decided on it.

`gateway.front` has parsed and framed the message already and refused what has no clear end or no
clear syntax: Content-Length beside Transfer-Encoding, several lengths, line folding, control
characters. The upstream message is framed anew by our own client.
"""

import re
from typing import Final
from urllib.parse import unquote_plus, unquote_to_bytes

from gateway.dataplane.errors import (
    BadRequest,
    InvalidTokenRequest,
    MethodNotImplemented,
    URITooLong,
)

MAX_TARGET_BYTES: Final = 8 * 1024

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_PERCENT: Final = 0x25
_HASH: Final = 0x23
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}")  # RFC 9110 §5.6.2
# Paths of these bytes alone need no closer look: unreserved, "/", and harmless sub-delims.
_PLAIN: Final = b"/ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,=:@"
_ALLOWED: Final = _PLAIN + b"%;"
_BROKEN_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_CONTROL: Final = re.compile(rb"[\x00-\x1f\x7f\\]")
_ENCODED_SLASH: Final = re.compile(rb"%2[fF]")


def check_method(method: str) -> None:
    """Refuse methods that are not forwarded: MethodNotImplemented or BadRequest.

    TRACE would echo credentials, CONNECT would make a tunnel: neither is ever forwarded.
    """
    if method in METHODS:
        return
    if method in {"TRACE", "CONNECT"}:
        raise MethodNotImplemented(f"{method} is not offered by this gateway.")
    if not _TOKEN.fullmatch(method):
        raise BadRequest("The method is not a token (RFC 9110 §9.1).")


def check_path(raw_path: bytes) -> None:
    """Refuse a path that can be read in two ways (BadRequest, URITooLong); never change it."""
    if len(raw_path) > MAX_TARGET_BYTES:
        raise URITooLong(f"The path is longer than {MAX_TARGET_BYTES} bytes.")
    if raw_path[:1] != b"/":
        raise BadRequest("The request target must be a path that starts with /.")
    if raw_path.translate(None, _PLAIN) or raw_path.find(b"//") >= 0 or raw_path.find(b"/.") >= 0:
        _check_unusual_path(raw_path)


def check_query(query: bytes) -> None:
    """Refuse an unclean query (URITooLong, BadRequest) or a token in it (InvalidTokenRequest).

    RFC 6750 §2.3 is not supported: addresses end in logs, and so would the token.
    """
    if len(query) > MAX_TARGET_BYTES:
        raise URITooLong(f"The query is longer than {MAX_TARGET_BYTES} bytes.")
    if not query.isascii() or _HASH in query or _CONTROL.search(query.replace(b"\\", b"")):
        raise BadRequest("The query holds a byte that must be percent-encoded.")
    if query.find(b"access_token") >= 0 or _PERCENT in query:
        for pair in re.split(rb"[&;]", query):
            if unquote_plus(pair.partition(b"=")[0].decode()).strip() == "access_token":
                raise InvalidTokenRequest(
                    "Send the token in the Authorization header, not in the query."
                )


def is_one_of(host: str, hosts: frozenset[str]) -> bool:
    """Whether a Host value, with or without a port, is in `hosts`: lower case, without port."""
    name = host.lower()
    bare, _, port = name.rpartition(":")
    return (bare if bare and port.isascii() and port.isdigit() else name) in hosts


def has_encoded_slash(raw_path: bytes) -> bool:
    """Whether %2f stands in the path; only APIs that ask for it get such paths."""
    return _PERCENT in raw_path and _ENCODED_SLASH.search(raw_path) is not None


def _check_unusual_path(raw_path: bytes) -> None:
    if b"//" in raw_path:
        raise BadRequest("The path holds an empty segment (//).")
    if raw_path.translate(None, _ALLOWED) or _BROKEN_ESCAPE.search(raw_path):
        raise BadRequest("The path holds a byte that must be percent-encoded, or a broken escape.")
    decoded = unquote_to_bytes(raw_path)
    if _CONTROL.search(decoded):
        raise BadRequest("The path holds a control character or a backslash.")
    for segment in decoded.split(b"/"):
        # Some servers drop `;x` before they resolve dots, so `..;x` is a dot segment too.
        if segment.partition(b";")[0] in {b".", b".."}:
            raise BadRequest("The path holds a dot segment.")
