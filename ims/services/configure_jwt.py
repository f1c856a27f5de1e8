"""How an API's phantom JWT is made from now on."""

from django.db import transaction

from ims.checks.jwt_settings import JWTSettings
from ims.models import ProtectedResource


@transaction.atomic
def configure_jwt(*, protected_resource: ProtectedResource, settings: JWTSettings) -> None:
    """Sign and encrypt the JWTs for `protected_resource` as `settings` say, from now on.

    Keys at a new address are read by the next run of `read_resource_keys`. Until they are, nothing
    is answered in place of an encrypted JWT.
    """
    record = protected_resource
    if settings.jwks is not None or settings.jwks_uri != record.jwks_uri:
        # The keys of another address are another's.
        record.jwks, record.jwks_read_at = settings.jwks, None
    elif not settings.jwks_uri:
        record.jwks, record.jwks_read_at = None, None
    record.jwks_uri = settings.jwks_uri
    record.jwt_signing_alg = settings.signing_alg
    record.jwt_encryption_alg = settings.encryption_alg
    record.save(
        update_fields=[
            "jwt_signing_alg",
            "jwt_encryption_alg",
            "jwks",
            "jwks_uri",
            "jwks_read_at",
            "updated_at",
        ]
    )
