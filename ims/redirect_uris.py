"""RFC 9700 §4.1.3, RFC 8252 §7.3: which redirect URIs are registered, how to leave by one."""

import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import urlencode, urlsplit

# RFC 8252 §7.3: with a loopback IP literal (not with the name localhost) the port is free.
_LOOPBACK: Final = re.compile(
    r"(http://(?:127\.0\.0\.1|\[::1\]))(?::(?P<port>[0-9]{1,5}))?(?P<rest>[/?].*)?"
)
_HIGHEST_PORT: Final = 65_535
# What browsers would repair in silence, and so send elsewhere than a reader of the URI expects.
_UNSAFE: Final = re.compile(r"[^!-~]|[\\#<>\"`{}|^]")
# Host and port only: no user name, and nothing that ends a Content-Security-Policy source.
_AUTHORITY: Final = re.compile(r"[A-Za-z0-9.\-_\[\]:]*")
# Schemes that run or show content in the browser instead of reaching an application.
_ACTIVE_SCHEMES: Final = frozenset(
    {"about", "blob", "data", "file", "filesystem", "javascript", "vbscript", "view-source"}
)


def is_registered(uri: str, registered: Iterable[str]) -> bool:
    """Whether `uri` is one of `registered`, character by character.

    The one exception is the port of a loopback IP literal, which native applications choose as
    they start. Nothing is normalised: parsers disagree, and each disagreement is an open redirect.
    """
    return is_safe(uri) and any(
        uri == candidate or _differ_in_loopback_port_only(uri, candidate)
        for candidate in registered
    )


def is_safe(uri: str) -> bool:
    """Whether `uri` is absolute, plain, and without fragment, user name or active scheme."""
    if _UNSAFE.search(uri):
        return False
    try:
        parts = urlsplit(uri)
    except ValueError:
        return False
    return (
        bool(parts.scheme)
        and parts.scheme not in _ACTIVE_SCHEMES
        and _AUTHORITY.fullmatch(parts.netloc) is not None
    )


def is_interceptable(uri: str) -> bool:
    """Whether another program on the person's machine could take what is sent to `uri`.

    True for loopback addresses and private schemes: nothing proves who listens (RFC 8252 §8.6).
    """
    return urlsplit(uri).scheme != "https"


def with_parameters(uri: str, parameters: Mapping[str, str]) -> str:
    """Return `uri` with `parameters` added to its query (RFC 6749 §3.1.2: its own is kept)."""
    given = urlencode({name: value for name, value in parameters.items() if value})
    if not given:
        return uri
    return f"{uri}{'&' if '?' in uri else '?'}{given}"


def as_csp_source(uri: str) -> str:
    """Return the Content-Security-Policy source that covers `uri` and as little else as may be.

    CSP Level 3 §2.3.1 has no grammar for IPv6 literals: browsers drop such a source, so the
    loopback address of RFC 8252 §7.3 needs its whole scheme.
    """
    parts = urlsplit(uri)
    return f"{parts.scheme}:" if "[" in parts.netloc else as_destination(uri)


def as_destination(uri: str) -> str:
    """Return where `uri` leads, as it is shown to people: the origin, or the private scheme."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else f"{parts.scheme}:"


def _differ_in_loopback_port_only(uri: str, candidate: str) -> bool:
    ours, theirs = _LOOPBACK.fullmatch(uri), _LOOPBACK.fullmatch(candidate)
    return (
        ours is not None
        and theirs is not None
        and (ours[1], ours["rest"]) == (theirs[1], theirs["rest"])
        and int(ours["port"] or 80) <= _HIGHEST_PORT
    )
