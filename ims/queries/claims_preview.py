"""What an API would see of a user and a client, without a token."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.utils import timezone

from ims import conf
from ims.claim_sources import CLAIM_SOURCES
from ims.introspected import IntrospectedToken, Owner, Person, VisibleResource
from ims.models import Client, Grant, ProtectedResource, User
from ims.queries.access import resolve_access
from ims.queries.claims import is_email_verified
from ims.queries.introspection import list_mappings
from ims.queries.phantom_token import list_phantom_claims
from ims.queries.signing_keys import find_active_signing_key
from wire.oauth_errors import OAuthError

_NO_TOKEN: Final = uuid.UUID(int=0)


@dataclass(frozen=True, slots=True)
class PreviewedClaim:
    """A claim of the JWT and who put it there."""

    name: str
    value: object
    origin: str


@dataclass(frozen=True, slots=True)
class ClaimsPreview:
    """The parts of a JWT that was never signed. `refusal`: why nobody would get it, or empty."""

    header: Mapping[str, object]
    claims: Sequence[PreviewedClaim]
    encryption: str
    refusal: str


def preview_claims(
    *,
    protected_resource: ProtectedResource,
    client: Client,
    user: User | None,
    scopes: Sequence[str],
) -> ClaimsPreview:
    """Return what `protected_resource` would read in a token of `client` for `user`.

    Runs some ten statements. How the user was authenticated is taken from the newest grant that the
    two have, and left out where there is none.
    """
    resource = _describe_resource(protected_resource)
    now = timezone.now()
    token = IntrospectedToken(
        id=_NO_TOKEN,
        owner=_describe_owner(client),
        scopes=tuple(scopes),
        issued_at=now,
        expires_at=now + timedelta(seconds=conf.ACCESS_TOKEN_TTL_SECONDS),
        resources=(resource,),
        person=_describe_person(user, client) if user else None,
    )
    claims = list_phantom_claims(token=token, resource=resource)
    key = find_active_signing_key(resource.jwt_signing_alg)
    return ClaimsPreview(
        header={
            "alg": resource.jwt_signing_alg,
            "kid": key.kid if key else "of a key that the first signature makes",
            "typ": "at+jwt",
        },
        claims=[
            PreviewedClaim(name, value, _name_origin(name, protected_resource, resource))
            for name, value in claims.items()
            if name != "jti"  # each token has its own
        ],
        encryption=resource.jwt_encryption_alg,
        refusal=_find_refusal(client, protected_resource, scopes, for_person=user is not None),
    )


def _describe_resource(record: ProtectedResource) -> VisibleResource:
    return VisibleResource(
        resource=record.resource,
        scopes=frozenset(record.scopes.values_list("name", flat=True)),
        mappings=list_mappings(
            record.claims, dict(record.claim_mappings.values_list("claim", "source"))
        ),
        jwt_signing_alg=record.jwt_signing_alg,
        jwt_encryption_alg=record.jwt_encryption_alg,
        jwks=record.jwks,
    )


def _describe_owner(client: Client) -> Owner:
    said = {
        name: str(client.metadata.get(name) or "")
        for name in ("software_id", "software_version", "client_uri")
    }
    return Owner(client_id=client.client_id, name=client.name, **said)


def _describe_person(user: User, client: Client) -> Person:
    grant = Grant.objects.filter(user=user, client=client).order_by("-created_at").first()
    return Person(
        subject=user.subject,
        username=user.username,
        email=user.email,
        email_verified=is_email_verified(user),
        given_name=user.first_name,
        family_name=user.last_name,
        groups=tuple(user.groups.order_by("name").values_list("name", flat=True)),
        authenticated_at=grant.authenticated_at if grant else None,
        acr=grant.acr if grant else "",
        amr=tuple(grant.amr) if grant else (),
    )


def _name_origin(claim: str, record: ProtectedResource, resource: VisibleResource) -> str:
    source = CLAIM_SOURCES.get(resource.mappings.get(claim, ""))
    if source is None:
        return "Token service"
    is_declared = not record.claim_mappings.filter(claim=claim).exists()
    return f"{source.label} ({'declared by the API' if is_declared else 'mapping'})"


def _find_refusal(
    client: Client, record: ProtectedResource, scopes: Sequence[str], *, for_person: bool
) -> str:
    if client.disabled_at is not None:
        return "The client is disabled."
    try:
        resolve_access(
            client=client, scopes=scopes, resources=[record.resource], for_person=for_person
        )
    except OAuthError as error:
        return error.description
    return ""
