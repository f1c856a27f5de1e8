"""RFC 7662: the vocabulary of introspection, and the phantom token exchange on top of it."""

from typing import Final

# `Accept` of the three forms of an answer.
JSON_MEDIA_TYPE: Final = "application/json"
PHANTOM_JWT_MEDIA_TYPE: Final = "application/jwt"  # 200 with the JWT, or 204 when inactive

# RFC 9701 §4: about the token, for the caller alone; never a token itself.
INTROSPECTION_JWT_MEDIA_TYPE: Final = "application/token-introspection+jwt"

# Our extension: which protected resource (RFC 8707 identifier) the caller asks for.
RESOURCE_PARAMETER: Final = "resource"
