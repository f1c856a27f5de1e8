"""RFC 7800: the key that a token is bound to, as its `cnf` claim names it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_MEMBERS: Final = frozenset({"jkt", "x5t#S256"})


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What whoever sends the token has to show; empty members are not asked for.

    `jkt` is a thumbprint of a DPoP key (RFC 9449 §6.1), `x5t_s256` one of a certificate
    (RFC 8705 §3.1). Where `is_unknown`, the token is bound in a way that nobody here can check.
    """

    jkt: str = ""
    x5t_s256: str = ""
    is_unknown: bool = False


def read_confirmation(claims: Mapping[str, object]) -> Confirmation | None:
    """Return the binding of a token with these claims, None for one that is bound to nothing.

    A confirmation that cannot be read cannot be checked either: it is never taken for none.
    """
    if "cnf" not in claims:
        return None
    cnf = claims["cnf"]
    if not isinstance(cnf, Mapping) or not cnf or not cnf.keys() <= _MEMBERS:
        return Confirmation(is_unknown=True)
    jkt, x5t = cnf.get("jkt", ""), cnf.get("x5t#S256", "")
    if not isinstance(jkt, str) or not isinstance(x5t, str) or not (jkt or x5t):
        return Confirmation(is_unknown=True)
    return Confirmation(jkt=jkt, x5t_s256=x5t)
