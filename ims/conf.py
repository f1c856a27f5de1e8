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
# RFC 9126 §2.2: from the push to the browser with its name, not to the answer of its person.
PUSHED_REQUEST_TTL_SECONDS: Final = 90
ID_TOKEN_TTL_SECONDS: Final = 300
# RFC 8628 §3.2: how long a person has to type a device's code, and how often the device may ask.
DEVICE_CODE_TTL_SECONDS: Final = 600
DEVICE_POLL_SECONDS: Final = 5
# How long a person may take from the client's link, over sign-up and mail, to the consent page.
AUTHORIZATION_REQUEST_TTL_SECONDS: Final = 3600
# A used code stays known this long past its end, so that its replay still revokes the grant.
USED_CODE_MEMORY_SECONDS: Final = 24 * 3600
# A process asks the database for the active signing key this often: so long a retired or
# compromised key may sign on.
SIGNING_KEY_REFRESH_SECONDS: Final = 10
SIGNING_KEY_LIFETIME_SECONDS: Final = 90 * 24 * 3600
# The next key is in the JWKS this long before it signs, far longer than the JWKS may be cached.
SIGNING_KEY_ANNOUNCED_SECONDS: Final = 24 * 3600
# A retired key stays published until no JWT that it signed can be alive.
RETIRED_KEY_PUBLISHED_SECONDS: Final = 2 * ACCESS_TOKEN_TTL_SECONDS
JWKS_MAX_AGE_SECONDS: Final = 300
DISCOVERY_MAX_AGE_SECONDS: Final = 300

# Where a policy says nothing else, registered clients that nobody uses go after this many days.
UNUSED_CLIENT_DAYS: Final = 90
# How many days before, their contacts are warned by mail.
UNUSED_CLIENT_WARNING_DAYS: Final = 14
# Clients that registered themselves and never got a token go this soon: nobody will miss them.
NEVER_USED_CLIENT_HOURS: Final = 24
# A former secret may go on this long beside its successor, at most.
LONGEST_SECRET_OVERLAP_SECONDS: Final = 30 * 24 * 3600
MOST_CLIENT_SECRETS: Final = 5

SIGNING_ALGORITHM: Final = "ES256"
# RFC 7518 §3.1, RFC 8037 §3.1; each has a key of its own, made when it is first needed.
SUPPORTED_SIGNING_ALGORITHMS: Final = ("ES256", "RS256", "PS256", "EdDSA")
# RFC 7518 §4.1, with A256GCM for the content: how a phantom JWT may be encrypted to its API.
SUPPORTED_ENCRYPTION_ALGORITHMS: Final = ("ECDH-ES", "ECDH-ES+A256KW", "RSA-OAEP-256")
# RFC 7518 §5.1; the first is what RFC 9701 §6 means by no `introspection_encrypted_response_enc`.
SUPPORTED_CONTENT_ENCRYPTIONS: Final = ("A128CBC-HS256", "A256GCM")
# The keys at an API's `jwks_uri` are read again this often.
RESOURCE_KEYS_MAX_AGE_SECONDS: Final = 3600
# RFC 9701 §6, `introspection_signed_response_alg`: "The default, if omitted, is RS256".
INTROSPECTION_SIGNING_ALGORITHM: Final = "RS256"
# Scopes of the token service itself; every other scope belongs to a protected resource.
OPENID_SCOPES: Final = ("openid", "profile", "email", "offline_access")


def issuer() -> str:
    """Return the issuer identifier: the web origin, with no trailing slash (RFC 8414 §2)."""
    return str(settings.ISSUER)
