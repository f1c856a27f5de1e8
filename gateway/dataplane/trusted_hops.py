"""RFC 7239: what proxies before the gateway say about the client; believed from known ones only.

The lists are read from the right: each trusted hop has added the address that it was called from,
so the first address that is no trusted hop's is the client's. What is left of it the client may
have made up. One field is read, the one that the hops are known to write: the other would be the
client's own, passed on.
"""

import ipaddress
import re
from collections.abc import Iterable
from typing import Final

from gateway.dataplane import hygiene
from gateway.dataplane.call import Call, Fields
from gateway.dataplane.errors import BadRequest

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

FIELDS: Final = ("x-forwarded-for", "forwarded")
_MAX_REMEMBERED: Final = 4096
_NAME: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_PAIR: Final = rf'{_NAME}=(?:{_NAME}|"(?:[^"\\\x00-\x1f]|\\.)*")'
_ELEMENT: Final = re.compile(rf"[ \t]*+((?:{_PAIR})?(?:;(?:{_PAIR})?)*)[ \t]*+(?:,|\Z)")
_PAIRS: Final = re.compile(rf'({_NAME})=({_NAME}|"(?:[^"\\]|\\.)*")')
_ESCAPED: Final = re.compile(r"\\(.)")
_NODE: Final = re.compile(
    r"\[([^\]]*)\](?::[0-9]{1,5})?|([0-9.]+)(?::[0-9]{1,5})?|([0-9A-Fa-f:.]+)"
)
_SCHEMES: Final = frozenset({"http", "https"})
_NOTHING: Final[dict[str, str]] = {}


class TrustedHops:
    """The proxies whose word is taken. Empty, and false, where there are none."""

    def __init__(self, networks: Iterable[Network] = (), *, field: str = FIELDS[0]) -> None:
        """`field` is the one that the hops write: x-forwarded-for or forwarded."""
        self._networks = tuple(networks)
        self._reads_forwarded = field == "forwarded"
        self._verdicts: dict[str, bool] = {}

    def __bool__(self) -> bool:
        return bool(self._networks)

    def trusts(self, peer: str) -> bool:
        """Whether the address is a trusted hop's; remembered, so that calls need not parse it."""
        verdict = self._verdicts.get(peer)
        if verdict is None:
            address = _read_address(peer)
            verdict = address is not None and self._holds(address)
            if len(self._verdicts) < _MAX_REMEMBERED:
                self._verdicts[peer] = verdict
        return verdict

    def read(self, call: Call, hosts: frozenset[str]) -> None:
        """Set where the call came from, as its trusted peer says. Raises BadRequest.

        A forwarded host is taken where it is one of ours (`hosts`), a scheme where it is http or
        https; a hop that does not write these must drop them, as the client may have sent them.
        """
        fields = call.inbound.headers
        if self._reads_forwarded:
            said = self._read_forwarded(call, fields)
            scheme, host = said.get("proto", ""), said.get("host", "")
        else:
            self._read_x_forwarded_for(call, fields)
            scheme = _last(fields, b"x-forwarded-proto")
            host = _last(fields, b"x-forwarded-host")
        if scheme.lower() in _SCHEMES:
            call.scheme = scheme.lower()
        if hygiene.is_one_of(host, hosts):
            call.forwarded_host = host.encode("latin-1")

    def _read_x_forwarded_for(self, call: Call, fields: Fields) -> None:
        rest = _joined(fields, b"x-forwarded-for")
        while rest:
            rest, _, node = rest.rpartition(",")
            if not self._take(call, node.strip()):
                return

    def _read_forwarded(self, call: Call, fields: Fields) -> dict[str, str]:
        said = _NOTHING
        for element in reversed(_elements(_joined(fields, b"forwarded"))):
            said = element
            if not self._take(call, element.get("for", "")):
                break
        return said

    def _take(self, call: Call, node: str) -> bool:
        """Note the address; return whether it is a hop again. "unknown" and the like name none."""
        match = _NODE.fullmatch(node)
        address = _read_address(next(filter(None, match.groups()), "")) if match else None
        if address is None:
            return False
        call.client_address = str(address)
        return self._holds(address)

    def _holds(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def read_networks(text: str) -> tuple[Network, ...]:
    """Return addresses and CIDR blocks, apart by commas or spaces. Raises ValueError."""
    return tuple(ipaddress.ip_network(word) for word in text.replace(",", " ").split())


def _read_address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    # A socket for both families names IPv4 clients so.
    return getattr(address, "ipv4_mapped", None) or address


def _elements(value: str) -> list[dict[str, str]]:
    """Return the parameters of each element. Raises BadRequest.

    A quote that does not close would swallow what the hop has added: nothing is guessed.
    """
    elements = []
    at = 0
    while at < len(value):
        match = _ELEMENT.match(value, at)
        if match is None:
            raise BadRequest("The Forwarded field cannot be read (RFC 7239 §4).")
        if match[1]:
            elements.append({name.lower(): _plain(text) for name, text in _PAIRS.findall(match[1])})
        at = match.end()
    return elements


def _plain(text: str) -> str:
    return _ESCAPED.sub(r"\1", text[1:-1]) if text.startswith('"') else text


def _joined(fields: Fields, name: bytes) -> str:
    """Return the field's lines as one list (RFC 9110 §5.3)."""
    return b",".join(value for key, value in fields if key == name).decode("latin-1")


def _last(fields: Fields, name: bytes) -> str:
    return _joined(fields, name).rpartition(",")[2].strip()
