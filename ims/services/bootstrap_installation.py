"""What a new installation needs before its parts can talk to one another."""

from dataclasses import dataclass, field
from typing import Final

from django.db import connection, transaction

from ims.checks.built_in_resources import (
    AMS_CLIENT_ID,
    BOOTSTRAP,
    BUILT_IN_RESOURCES,
    GATEWAY_CLIENT_ID,
    BuiltInResource,
)
from ims.checks.resource_declaration import ResourceDeclaration
from ims.models import InitialAccessToken, ProtectedResource
from ims.services.ensure_signing_key import ensure_signing_key
from ims.services.provision_infrastructure_client import provision_infrastructure_client
from ims.services.provision_initial_access_token import provision_initial_access_token
from ims.services.register_protected_resource import register_protected_resource
from wire import bearer

PORTAL_LABEL: Final = "portal"
_PORTAL_GRANT_TYPES: Final = ("authorization_code", "refresh_token", "client_credentials")
# Any number that no other advisory lock of this database uses ("boot" in ASCII).
_LOCK: Final = 0x626F_6F74


@dataclass(frozen=True, slots=True)
class BootstrapCredentials:
    """What was made anew and is shown this once; None where it stood already."""

    gateway_secret: str | None = field(repr=False)
    ams_secret: str | None = field(repr=False)
    portal_initial_access_token: str | None = field(repr=False)


@transaction.atomic
def bootstrap_installation(
    *,
    issuer: str,
    gateway_secret: str | None,
    ams_secret: str | None,
    renew_portal_initial_access_token: bool = False,
) -> BootstrapCredentials:
    """See that the signing key, the infrastructure clients and the built-in resources stand.

    Offline and idempotent; two runs at once wait for each other. A given secret replaces the
    stored one. The portal's initial access token is minted once; renewing it (its file was lost)
    ends the one before.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    ensure_signing_key()
    # OpenID Connect Discovery §3: RS256 is for everyone. Made here, nobody waits for it later.
    ensure_signing_key(algorithm="RS256")
    credentials = BootstrapCredentials(
        gateway_secret=provision_infrastructure_client(
            client_id=GATEWAY_CLIENT_ID,
            name="Tollgate gateway",
            scopes=("gateway",),
            secret=gateway_secret,
        ),
        ams_secret=provision_infrastructure_client(
            client_id=AMS_CLIENT_ID,
            name="Tollgate API management",
            scopes=("resources:write",),
            secret=ams_secret,
        ),
        portal_initial_access_token=_provision_portal_token(
            renew=renew_portal_initial_access_token
        ),
    )
    _provision_resources(issuer)
    return credentials


def _provision_resources(issuer: str) -> None:
    declarations = [_declare(built_in, issuer) for built_in in BUILT_IN_RESOURCES]
    for declaration in declarations:
        register_protected_resource(declaration=declaration, registered_by=BOOTSTRAP)
    # Those of a former issuer would otherwise stay the audience of tokens.
    ProtectedResource.objects.filter(registered_by=BOOTSTRAP).exclude(
        resource__in=[declaration.resource for declaration in declarations]
    ).delete()


def _declare(built_in: BuiltInResource, issuer: str) -> ResourceDeclaration:
    return ResourceDeclaration(
        resource=built_in.get_identifier(issuer),
        resource_name=built_in.name,
        scopes={built_in.scope: built_in.scope_description},
        claims=(),
        introspection_clients=tuple(built_in.introspection_clients),
    )


def _provision_portal_token(*, renew: bool) -> str | None:
    present = InitialAccessToken.objects.filter(label=PORTAL_LABEL).first()
    if present is None:
        return provision_initial_access_token(
            label=PORTAL_LABEL, grant_types=_PORTAL_GRANT_TYPES
        ).token
    if not renew:
        return None
    # The record stays: it says what the clients that were registered with it may become.
    token = bearer.mint(bearer.Prefix.INITIAL_ACCESS_TOKEN)
    present.digest = bearer.digest(token)
    present.save(update_fields=["digest"])
    return token
