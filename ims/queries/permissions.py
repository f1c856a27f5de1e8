"""What scopes mean, in plain words and by the API that they open."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ims.models import ResourceScope
from ims.scope_words import SCOPE_WORDS

OWN_TITLE: Final = "Your account here"

Asked = tuple[Sequence[str], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Permission:
    """A scope and its words."""

    name: str
    words: str


@dataclass(frozen=True, slots=True)
class PermissionGroup:
    """What is allowed at one API; `resource` is empty for the person's account here."""

    resource: str
    title: str
    permissions: tuple[Permission, ...]


def list_permission_groups(asked: Iterable[Asked]) -> list[PermissionGroup]:
    """Return what each pair of scopes and resources allows, the account first; one statement.

    A scope counts only at the resources that it came with: another API may have one of that name.
    What the registry no longer knows opens nothing, and is left out.
    """
    pairs = [(frozenset(scopes), frozenset(resources)) for scopes, resources in asked]
    scopes = {name for names, _ in pairs for name in names}
    own = [Permission(name, words) for name, words in SCOPE_WORDS.items() if name in scopes]
    found: dict[str, tuple[str, dict[str, Permission]]] = {}
    for offer in _list_offers(scopes, {name for _, resources in pairs for name in resources}):
        api = offer.protected_resource
        if any(offer.name in names and api.resource in at for names, at in pairs):
            _, permissions = found.setdefault(api.resource, (api.name or api.resource, {}))
            permissions[offer.name] = Permission(offer.name, offer.description or offer.name)
    groups = [PermissionGroup("", OWN_TITLE, tuple(own))] if own else []
    return groups + [
        PermissionGroup(resource, title, tuple(permissions.values()))
        for resource, (title, permissions) in found.items()
    ]


def _list_offers(scopes: set[str], resources: set[str]) -> Iterable[ResourceScope]:
    if not resources:
        return ()
    offers = ResourceScope.objects.select_related("protected_resource")
    return offers.filter(name__in=scopes, protected_resource__resource__in=resources).order_by(
        "protected_resource__name", "protected_resource__resource", "name"
    )
