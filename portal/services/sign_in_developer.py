"""A person whom the token service has signed in becomes, or again is, a developer."""

from collections.abc import Mapping
from typing import Any

from portal.models import Developer


def sign_in_developer(*, claims: Mapping[str, Any]) -> Developer:
    """Return the developer whom `iss` and `sub` name, with e-mail and name as they are now."""
    email = str(claims.get("email") or "")[:254]
    name = str(claims.get("name") or claims.get("preferred_username") or email)[:128]
    developer, _ = Developer.objects.update_or_create(
        issuer=claims["iss"], subject=claims["sub"], defaults={"email": email, "name": name}
    )
    return developer
