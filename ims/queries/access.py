"""RFC 6749 §3.3, RFC 8707 §2: which scopes at which protected resources a client may ask for."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from ims import conf, prepared
from ims.models import Client
from wire.oauth_errors import InvalidScope, InvalidTarget

_SCOPE_TOKEN: Final = re.compile(r"[!#-\[\]-~]{1,128}")  # RFC 6749 §3.3


_OFFERS: Final = """
SELECT scope.name, scope.description, registered.resource
  FROM ims_resourcescope AS scope
  JOIN ims_protectedresource AS registered ON registered.id = scope.protected_resource_id
 WHERE scope.name = ANY(%s)
"""


class Offer(NamedTuple):
    """A scope of a protected resource, with the registry's words for it."""

    name: str
    description: str
    resource: str


@dataclass(frozen=True, slots=True)
class Access:
    """Scopes, the resources that offer them, and the registry's words for the scopes."""

    scopes: tuple[str, ...]
    resources: tuple[str, ...]
    descriptions: Mapping[str, str]


def resolve_access(
    *, client: Client, scopes: Sequence[str], resources: Sequence[str], for_person: bool
) -> Access:
    """Return what a request for `scopes` at `resources` comes to; runs one statement.

    Without scopes: those the client is registered for. Without resources: every one that offers
    one of the scopes. Raises InvalidScope and InvalidTarget, which name the offender.
    """
    names = list_names(client=client, scopes=scopes, for_person=for_person)
    api_names = [name for name in names if name not in conf.OPENID_SCOPES]
    offers = [Offer(*row) for row in prepared.fetch_all(_OFFERS, [api_names])] if api_names else []
    return decide_access(
        client=client, scopes=scopes, resources=resources, offers=offers, for_person=for_person
    )


def list_names(*, client: Client, scopes: Sequence[str], for_person: bool) -> tuple[str, ...]:
    """Return the scopes that a request for `scopes` is about; runs no statement.

    Raises InvalidScope for those that the client may not ask for.
    """
    names = tuple(dict.fromkeys(scopes or client.scopes))
    if not names:
        raise InvalidScope("scope: name at least one scope.")
    _check_allowed(client, names, for_person=for_person)
    return names


def decide_access(
    *,
    client: Client,
    scopes: Sequence[str],
    resources: Sequence[str],
    offers: Sequence[Offer],
    for_person: bool,
) -> Access:
    """Return what a request comes to, given all that the registry offers under its names.

    Runs no statement; see `resolve_access`.
    """
    names = list_names(client=client, scopes=scopes, for_person=for_person)
    offers = _keep_open(client, offers, for_person=for_person)
    _refuse(names, {offer.name for offer in offers}, "is not offered to this client")
    if resources:
        _check_resources(resources, {offer.resource for offer in offers})
        offers = [offer for offer in offers if offer.resource in resources]
        met = {offer.name for offer in offers}
        if scopes:
            _refuse(names, met, "belongs to none of the resources asked for")
        names = tuple(name for name in names if name in met or name in conf.OPENID_SCOPES)
    return Access(
        scopes=names,
        resources=tuple(sorted({offer.resource for offer in offers})),
        descriptions={offer.name: offer.description for offer in offers if offer.description},
    )


def narrow_scopes(*, scopes: Iterable[str], offered: Collection[str]) -> tuple[str, ...]:
    """Return those of `scopes` that the resources asked for have `offered`, and our own.

    RFC 8707 §2.2: a token for fewer resources carries no scope of the others.
    """
    return tuple(name for name in scopes if name in offered or name in conf.OPENID_SCOPES)


def keep_registered(*, client: Client, scopes: Sequence[str]) -> tuple[str, ...]:
    """Return those of granted `scopes` that `client` is registered for still; runs no statement.

    Raises InvalidScope when none is left.
    """
    kept = tuple(name for name in scopes if not client.scopes or name in client.scopes)
    if scopes and not kept:
        raise InvalidScope("scope: this client is registered for none of the granted scopes now.")
    return kept


def _check_allowed(client: Client, names: Sequence[str], *, for_person: bool) -> None:
    for name in names:
        if not _SCOPE_TOKEN.fullmatch(name):
            raise InvalidScope("scope: expected scope names separated by single spaces.")
        if name in conf.OPENID_SCOPES and not for_person:
            raise InvalidScope(f"scope: {name} needs a person; client_credentials has none.")
        if client.scopes and name not in client.scopes:
            raise InvalidScope(f"scope: {name} is not among the scopes this client registered.")


def _keep_open(client: Client, offers: Sequence[Offer], *, for_person: bool) -> list[Offer]:
    """Return those of `offers` that are open to the client.

    The platform's own interfaces are open only to clients that are registered for the scope by
    name, and in their own name: anybody may sign up, and those interfaces trust the scope alone.
    """
    named = () if for_person else client.scopes
    return [
        offer
        for offer in offers
        if offer.name in named or not is_reserved(scope=offer.name, resource=offer.resource)
    ]


def is_reserved(*, scope: str, resource: str) -> bool:
    """Whether the scope, or the resource under the issuer that offers it, is the platform's own."""
    return scope in Client.RESERVED_SCOPES or resource.startswith(f"{conf.issuer()}/")


def _check_resources(resources: Sequence[str], known: set[str]) -> None:
    for resource in resources:
        if resource not in known:
            raise InvalidTarget(
                "resource: one of the resources is not registered here, or offers none of the "
                "scopes asked for."
            )


def _refuse(names: Sequence[str], known: set[str], reason: str) -> None:
    for name in names:
        if name not in known and name not in conf.OPENID_SCOPES:
            raise InvalidScope(f"scope: {name} {reason}.")
