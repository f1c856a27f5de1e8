"""Which URLs may be asked, and what they are made of (RFC 3986 §3)."""

import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from ims.errors import ForbiddenTarget, TargetUnreachable
from wire.addresses import Address, is_private, is_public, parse_address

Resolver = Callable[[str, int], Sequence[str]]

_LONGEST_URL: Final = 2048
_LONGEST_NAME: Final = 253  # RFC 1035 §2.3.4, written with dots
_HTTPS: Final = 443
_FIRST_FREE_PORT: Final = 1024  # below it, other protocols live that might understand a request
_MOST_ADDRESSES: Final = 3
# RFC 3986 §2 without the characters that parsers read differently.
_URL: Final = re.compile(r"https?://[!#-;=?-\[\]_a-z~]+", re.IGNORECASE | re.ASCII)
_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?"
_NAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that may be asked, taken apart: nobody parses the original a second time."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The `Host` header (RFC 9110 §7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = {"https": 443, "http": 80}[self.scheme]
        return host if self.port == default else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The URL, put together from its parts."""
        return f"{self.scheme}://{self.authority}{self.path}"


def parse_target(url: str) -> Target:
    """Return the target of `url`; asks nobody. Raises ForbiddenTarget, which says what to mend."""
    if len(url) > _LONGEST_URL or not _URL.fullmatch(url):
        raise ForbiddenTarget("an https URL of printable ASCII, without spaces, is expected")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ForbiddenTarget("the URL is malformed") from error
    _check_parts(parts, url)
    scheme, host = parts.scheme, parts.hostname or ""
    if port is None:
        port = {"https": 443, "http": 80}[scheme]
    _check_port(port)
    if scheme != "https" and not settings.OUTBOUND_ALLOW_PRIVATE:
        raise ForbiddenTarget("only https is fetched")
    query = f"?{parts.query}" if parts.query else ""
    return Target(scheme, host, port, (parts.path or "/") + query)


def resolve(target: Target, resolver: Resolver) -> Sequence[Address]:
    """Return the addresses to try, all checked; asks the resolver once.

    One address that is not allowed spoils them all: honest names do not have any. Raises
    ForbiddenTarget and TargetUnreachable.
    """
    literal = parse_address(target.host)
    found = [target.host] if literal is not None else resolver(target.host, target.port)
    addresses = [parse_address(text) for text in dict.fromkeys(found)]
    if not addresses:
        raise TargetUnreachable(f"{target.host} has no address")
    for address in addresses:
        if address is None or not _may_be_asked(address, target.scheme):
            raise ForbiddenTarget(f"{target.host} has an address that is not public: {address}")
    return [address for address in addresses if address is not None][:_MOST_ADDRESSES]


def resolve_name(host: str, port: int) -> Sequence[str]:
    """Return what the system's resolver says; blocks, without a limit of its own."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise TargetUnreachable(f"{host} does not resolve") from error
    return [str(entry[4][0]) for entry in found]


def _check_parts(parts: SplitResult, url: str) -> None:
    if "@" in parts.netloc:
        raise ForbiddenTarget("a URL with credentials is not fetched")
    if "#" in url:
        raise ForbiddenTarget("a URL with a fragment names no document")
    host = parts.hostname or ""
    is_bracketed = parts.netloc.startswith("[") and "%" not in parts.netloc
    is_right = parse_address(host) is not None if is_bracketed else _NAME.fullmatch(host)
    if not is_right or ("[" in parts.netloc) != is_bracketed or len(host) > _LONGEST_NAME:
        raise ForbiddenTarget("a host name of letters, digits, hyphens and dots is expected")


def _check_port(port: int) -> None:
    if port != _HTTPS and port < _FIRST_FREE_PORT and not settings.OUTBOUND_ALLOW_PRIVATE:
        raise ForbiddenTarget(f"port {port} is not asked; use 443, or one from 1024")


def _may_be_asked(address: Address, scheme: str) -> bool:
    if not settings.OUTBOUND_ALLOW_PRIVATE:
        return is_public(address)
    if scheme == "http":
        return address.is_loopback
    return is_public(address) or is_private(address)
