"""How many new clients one network may bring in an hour, where no token stands for somebody."""

from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from django.core.cache import cache

from ims.audit import context
from ims.errors import TooManyRegistrations
from ims.models import RegistrationPolicy

WINDOW_SECONDS: Final = 3600


def count_new_client(policy: RegistrationPolicy) -> None:
    """Count a try to become a client under `policy`; two round trips to Valkey.

    Tries count and not successes: what they cost us is the same. Raises TooManyRegistrations.
    """
    if policy.most_per_hour is None:
        return
    key = f"registrations:{policy.pk}:{_get_network()}"
    cache.add(key, 0, WINDOW_SECONDS)
    try:
        count = cache.incr(key)
    except ValueError:  # it ended between the two
        return
    if count > policy.most_per_hour:
        raise TooManyRegistrations(retry_after_seconds=WINDOW_SECONDS)


def _get_network() -> str:
    """Return what one subscriber usually has: an IPv4 address, or an IPv6 /64."""
    address = context.current().address
    if address is None:
        return "unknown"
    parsed = ip_address(address)
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped is not None:  # or every IPv4 address would be of one /64
        return str(parsed.ipv4_mapped)
    return str(ip_network((parsed, 64), strict=False).network_address)
