"""Where the claims of a phantom JWT come from: the sources that a mapping may name."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from ims.introspected import IntrospectedToken, Owner, Person

# Claims that the token service alone sets. An API decides by them: no mapping may lend them
# another meaning, not even where the token has no such claim. RFC 7519 §4.1, RFC 7662 §2.2,
# RFC 7800 §3.1, RFC 8693 §4, RFC 9068 §2.2, RFC 9396 §9.1, RFC 9701 §5.
REGISTERED_CLAIMS: Final = frozenset(
    {
        "acr",
        "act",
        "active",
        "amr",
        "aud",
        "auth_time",
        "authorization_details",
        "azp",
        "client_id",
        "cnf",
        "exp",
        "iat",
        "iss",
        "jti",
        "may_act",
        "nbf",
        "nonce",
        "scope",
        "sid",
        "sub",
        "token_introspection",
        "token_type",
        "typ",
        "username",
    }
)
# A short name, or a URI as a collision-resistant one (RFC 7519 §4.2).
_CLAIM: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.:/#~-]{0,127}")


@dataclass(frozen=True, slots=True)
class ClaimSource:
    """One attribute; `read` returns None or something empty where the token has no such value."""

    name: str
    label: str
    read: Callable[[IntrospectedToken], object]


def _of_person(name: str, label: str, read: Callable[[Person], object]) -> ClaimSource:
    return ClaimSource(
        name, f"User: {label}", lambda token: read(token.person) if token.person else None
    )


def _of_client(name: str, label: str, read: Callable[[Owner], object]) -> ClaimSource:
    return ClaimSource(name, f"Client: {label}", lambda token: read(token.owner))


def _read_full_name(person: Person) -> str:
    return f"{person.given_name} {person.family_name}".strip()


def _read_auth_time(person: Person) -> int | None:
    moment = person.authenticated_at
    return None if moment is None else int(moment.timestamp())


CLAIM_SOURCES: Final[Mapping[str, ClaimSource]] = {
    source.name: source
    for source in (
        _of_person("username", "username", lambda person: person.username),
        _of_person("email", "e-mail address", lambda person: person.email),
        _of_person(
            "email_verified", "e-mail address is verified", lambda person: person.email_verified
        ),
        _of_person("given_name", "first name", lambda person: person.given_name),
        _of_person("family_name", "last name", lambda person: person.family_name),
        _of_person("name", "full name", _read_full_name),
        _of_person("groups", "groups", lambda person: list(person.groups)),
        _of_person("acr", "authentication context (acr)", lambda person: person.acr),
        _of_person("amr", "authentication methods (amr)", lambda person: list(person.amr)),
        _of_person("auth_time", "moment of the sign-in (auth_time)", _read_auth_time),
        _of_client("client_id", "identifier", lambda owner: owner.client_id),
        _of_client("client_name", "name", lambda owner: owner.name),
        _of_client("software_id", "software_id", lambda owner: owner.software_id),
        _of_client("software_version", "software_version", lambda owner: owner.software_version),
        _of_client("client_uri", "client_uri", lambda owner: owner.client_uri),
    )
}
# What an API may ask for in its declaration (OpenID Connect Core §5.1; RFC 9068 §2.2.3.1), with
# the source of each.
DECLARABLE_CLAIMS: Final[Mapping[str, str]] = {
    "email": "email",
    "email_verified": "email_verified",
    "family_name": "family_name",
    "given_name": "given_name",
    "groups": "groups",
    "name": "name",
    "preferred_username": "username",
}


def read_mapped_claims(token: IntrospectedToken, mappings: Mapping[str, str]) -> dict[str, object]:
    """Return the claims of `mappings` (claim: source); one without a value is left out.

    So is a mapping to a registered claim or from an unknown source, wherever it came from.
    """
    values = {
        claim: CLAIM_SOURCES[source].read(token)
        for claim, source in mappings.items()
        if source in CLAIM_SOURCES and claim not in REGISTERED_CLAIMS
    }
    # An empty list says something: that the person is in no group.
    return {claim: value for claim, value in values.items() if value is not None and value != ""}


def is_mappable(claim: str) -> bool:
    """Whether a mapping may set `claim`."""
    return _CLAIM.fullmatch(claim) is not None and claim not in REGISTERED_CLAIMS
