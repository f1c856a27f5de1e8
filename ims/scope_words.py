"""What a scope means, in words for the person who allows it."""

from typing import Final

# The token service's own scopes; those of APIs come from the registry.
SCOPE_WORDS: Final = {
    "openid": "Know that it is you, by an identifier of this service",
    "profile": "See your name and username",
    "email": "See your e-mail address",
    "offline_access": "Keep this access while you are away, until you withdraw it",
}
