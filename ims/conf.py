"""What the token service reads from the settings, and how long its credentials live."""

from typing import Final

from django.conf import settings

# Seconds. A stolen access token is worth this long; revocation ends it sooner.
ACCESS_TOKEN_TTL_SECONDS: Final = 900
AUTHORIZATION_CODE_TTL_SECONDS: Final = 60
# Counted anew at each rotation, so a client in use stays signed in.
REFRESH_TOKEN_TTL_SECONDS: Final = 30 * 24 * 3600
# A client that lost the answer to a rotation may ask again this long, and gets the same successor.
REFRESH_REPEAT_SECONDS: Final = 60
ID_TOKEN_TTL_SECONDS: Final = 300
# How long a person may take from the client's link, over sign-up and mail, to the consent page.
AUTHORIZATION_REQUEST_TTL_SECONDS: Final = 3600
# A used code stays known this long past its end, so that its replay still revokes the grant.
USED_CODE_MEMORY_SECONDS: Final = 24 * 3600
# A process asks the database for the active signing key this often.
SIGNING_KEY_REFRESH_SECONDS: Final = 60
# A retired key stays published until no JWT that it signed can be alive.
RETIRED_KEY_PUBLISHED_SECONDS: Final = 2 * ACCESS_TOKEN_TTL_SECONDS
JWKS_MAX_AGE_SECONDS: Final = 300
DISCOVERY_MAX_AGE_SECONDS: Final = 300

SIGNING_ALGORITHM: Final = "ES256"
# Scopes of the token service itself; every other scope belongs to a protected resource.
OPENID_SCOPES: Final = ("openid", "profile", "email", "offline_access")


def issuer() -> str:
    """Return the issuer identifier: the web origin, with no trailing slash (RFC 8414 §2)."""
    return str(settings.ISSUER)
