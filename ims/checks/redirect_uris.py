"""RFC 6749 §3.1.2, RFC 8252 §7, RFC 9700 §2.1: which redirect URIs may be registered."""

import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

from wire.oauth_errors import InvalidRedirectURI

LONGEST_URI: Final = 2000
LOOPBACK_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "::1"})
# Printable ASCII without the characters that browsers and libraries read differently. A space
# would also break the list that the client's record keeps.
_URI_CHARACTERS: Final = re.compile(r"[!#-;=?-\[\]_a-z~]+")
_HOST: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]+")
# RFC 3986 §3.1, with the dot that RFC 8252 §7.1 asks of a private-use scheme.
_PRIVATE_SCHEME: Final = re.compile(r"[a-z][a-z0-9+-]*(?:\.[a-z0-9+-]+)+")


def check_redirect_uri(uri: object, *, member: str) -> str:
    """Return `uri` when it may be registered as a `member` of the client's metadata.

    https anywhere; http on a loopback host only; a private-use scheme with a dot in it. Raises
    InvalidRedirectURI, naming the URI and the mend.
    """
    if not isinstance(uri, str) or not uri or len(uri) > LONGEST_URI:
        raise InvalidRedirectURI(f"{member}: each URI is a text of 1 to {LONGEST_URI} characters.")
    if not _URI_CHARACTERS.fullmatch(uri):
        raise InvalidRedirectURI(
            f"{member}: percent-encode spaces, quotes, backslashes and characters beyond ASCII."
        )
    if "#" in uri:
        raise InvalidRedirectURI(f"{member}: remove the fragment from {uri}.")
    parts = _split(uri, member)
    if parts.scheme in {"http", "https"}:
        _check_web_uri(uri, parts, member)
    elif not _PRIVATE_SCHEME.fullmatch(parts.scheme) or not parts.path:
        raise InvalidRedirectURI(
            f"{member}: {uri} needs https, http on a loopback host, or a private-use scheme with a"
            " dot such as com.example.app:/callback."
        )
    return uri


def _split(uri: str, member: str) -> SplitResult:
    try:
        parts = urlsplit(uri)
        parts.port  # noqa: B018 - reading it checks it
    except ValueError as error:
        raise InvalidRedirectURI(f"{member}: {uri} is not a URI.") from error
    return parts


def _check_web_uri(uri: str, parts: SplitResult, member: str) -> None:
    host = parts.hostname or ""
    if "@" in parts.netloc:
        raise InvalidRedirectURI(f"{member}: remove the user information from {uri}.")
    if "*" in parts.netloc + parts.path:
        raise InvalidRedirectURI(f"{member}: {uri} has a wildcard; register each URI in full.")
    if not _HOST.fullmatch(host):
        raise InvalidRedirectURI(f"{member}: {uri} needs a host name.")
    if parts.scheme == "http" and host not in LOOPBACK_HOSTS:
        raise InvalidRedirectURI(
            f"{member}: {uri} needs https; http is for localhost, 127.0.0.1 and [::1] only."
        )
