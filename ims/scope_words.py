"""What a scope means, in words for the person who allows it."""

from collections.abc import Iterable, Mapping
from typing import Final

# The token service's own scopes; those of APIs come from the registry.
SCOPE_WORDS: Final = {
    "openid": "Know that it is you, by an identifier of this service",
    "profile": "See your name and username",
    "email": "See your e-mail address",
    "offline_access": "Keep this access while you are away, until you withdraw it",
}


def describe_permissions(
    scopes: Iterable[str], *, descriptions: Mapping[str, str]
) -> list[dict[str, str]]:
    """Return name and words of each scope; one that nobody described is shown by its name."""
    words = SCOPE_WORDS | dict(descriptions)
    return [{"name": name, "words": words.get(name, name)} for name in scopes]
