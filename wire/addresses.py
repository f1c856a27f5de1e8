"""Which IP addresses may be asked (RFC 6890 and the registries that follow it)."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address

# What `is_global` lets pass and no web site has.
_NOT_THE_WEB: Final[tuple[IPv4Network | IPv6Network, ...]] = (
    IPv4Network("0.0.0.0/8"),
    IPv4Network("100.64.0.0/10"),  # RFC 6598: behind a carrier's NAT, ours perhaps
    IPv4Network("192.0.0.0/24"),
    IPv4Network("192.88.99.0/24"),  # RFC 7526: 6to4 relays
    IPv4Network("198.18.0.0/15"),
    IPv4Network("224.0.0.0/4"),
    IPv4Network("240.0.0.0/4"),
    IPv6Network("2001::/23"),  # RFC 2928: Teredo and others that are no plain addresses
    IPv6Network("2001:db8::/32"),
    IPv6Network("2002::/16"),  # RFC 3056: 6to4 carries any IPv4 address
    IPv6Network("3fff::/20"),
)
# RFC 4291 §2.5.4: the one block that unicast addresses are given from. Outside of it are the forms
# that carry an IPv4 address: mapped, compatible, NAT64 (RFC 6052, RFC 8215).
_UNICAST: Final = IPv6Network("2000::/3")
_PRIVATE: Final[tuple[IPv4Network | IPv6Network, ...]] = (
    IPv4Network("10.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
    IPv6Network("fc00::/7"),
)
_SHARED: Final = IPv4Network("100.64.0.0/10")  # RFC 6598; some clouds number their clusters with it
# Where clouds hand out their machines' credentials, outside of the link-local blocks.
_METADATA: Final[frozenset[IPv4Address | IPv6Address]] = frozenset(
    {
        IPv4Address("100.100.100.200"),
        IPv4Address("168.63.129.16"),
        IPv4Address("192.0.0.192"),
        IPv6Address("fd00:ec2::254"),
        IPv6Address("fd20:ce::254"),
    }
)


def parse_address(text: str) -> Address | None:
    """Return the address that `text` spells in the usual way, or None."""
    try:
        return ip_address(text)
    except ValueError:
        return None


def is_public(address: Address) -> bool:
    """Whether `address` can only be somebody's on the public internet."""
    if isinstance(address, IPv6Address) and address not in _UNICAST:
        return False
    return address.is_global and not _is_in(address, _NOT_THE_WEB)


def is_private(address: Address) -> bool:
    """Whether `address` is loopback or of a private network.

    Link-local is neither: clouds give out their machines' credentials there.
    """
    return address.is_loopback or _is_in(address, _PRIVATE)


def may_be_upstream(address: Address, *, allow_internal: bool) -> bool:
    """Whether calls may be forwarded to `address`.

    Public addresses may; loopback, private and RFC 6598 ones with `allow_internal`. Link-local and
    metadata addresses, multicast and forms that carry another address never.
    """
    if address in _METADATA:
        return False
    if is_public(address):
        return True
    return allow_internal and (is_private(address) or _is_in(address, (_SHARED,)))


def _is_in(address: Address, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    return any(address in network for network in networks)
