"""RFC 7662: a caller, a token and what the one may know of the other, in one statement."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.db import connection
from django.utils import timezone


@dataclass(frozen=True, slots=True)
class VisibleResource:
    """A resource that the token is made for and that lists the caller."""

    resource: str
    scopes: frozenset[str]
    claims: frozenset[str]


@dataclass(frozen=True, slots=True)
class Person:
    """The user behind a token, as far as a protected resource may ask."""

    subject: uuid.UUID
    username: str
    email: str
    email_verified: bool
    given_name: str
    family_name: str
    groups: tuple[str, ...]
    authenticated_at: datetime | None
    acr: str
    amr: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IntrospectedToken:
    """A live access token, cut to the resources that the caller may see; there is at least one."""

    id: uuid.UUID
    client_id: str
    scopes: tuple[str, ...]
    issued_at: datetime
    expires_at: datetime
    resources: tuple[VisibleResource, ...]
    person: Person | None = field(default=None, repr=False)

    @property
    def subject(self) -> str:
        """RFC 9068 §2.2: the user, or the client where no user is involved."""
        return str(self.person.subject) if self.person else self.client_id

    def list_scopes_of(self, *resources: VisibleResource) -> list[str]:
        """Return the token's scopes that belong to `resources`, in the token's order."""
        belonging = frozenset[str]().union(*(resource.scopes for resource in resources))
        return [scope for scope in self.scopes if scope in belonging]


@dataclass(frozen=True, slots=True)
class Introspection:
    """The caller proved who it is; `token` is None when the token is inactive for this caller."""

    token_endpoint_auth_method: str
    token: IntrospectedToken | None


_COLUMNS: Final = (
    "token_endpoint_auth_method",
    "id",
    "client_id",
    "scopes",
    "issued_at",
    "expires_at",
    "resources",
    "subject",
    "username",
    "email",
    "email_verified",
    "given_name",
    "family_name",
    "groups",
    "authenticated_at",
    "acr",
    "amr",
)
# The nested join keeps a token only with a standing client, grant and user; the outer join keeps
# the caller when no token is left, so that a dead token never looks like a failed authentication.
# json, not jsonb: Django keeps the driver from parsing the latter.
_STATEMENT: Final = """
SELECT caller.token_endpoint_auth_method, token.id, owner.client_id, token.scopes,
       token.issued_at, token.expires_at, visible.resources,
       person.subject, person.username, person.email,
       EXISTS (SELECT FROM account_emailaddress AS address
                WHERE address.user_id = person.id AND address.verified
                  AND lower(address.email) = lower(person.email)),
       person.first_name, person.last_name,
       ARRAY(SELECT member.name::text FROM auth_group AS member
               JOIN ims_user_groups AS membership ON membership.group_id = member.id
              WHERE membership.user_id = person.id ORDER BY member.name),
       allowed.authenticated_at, allowed.acr, allowed.amr
  FROM ims_client AS caller
  LEFT JOIN (ims_accesstoken AS token
             JOIN ims_client AS owner ON owner.id = token.client_id
             LEFT JOIN ims_grant AS allowed ON allowed.id = token.grant_id
             LEFT JOIN ims_user AS person ON person.id = token.user_id)
    ON token.digest = %(token_digest)s
       AND token.revoked_at IS NULL AND token.expires_at > %(now)s
       AND owner.disabled_at IS NULL AND allowed.revoked_at IS NULL
       AND (token.user_id IS NULL OR person.is_active)
  LEFT JOIN LATERAL (
       SELECT json_agg(json_build_object(
                  'resource', registered.resource,
                  'claims', registered.claims,
                  'scopes', ARRAY(SELECT scope.name FROM ims_resourcescope AS scope
                                   WHERE scope.protected_resource_id = registered.id))
                  ORDER BY registered.resource) AS resources
         FROM ims_protectedresource AS registered
         JOIN ims_protectedresource_introspection_clients AS reader
              ON reader.protectedresource_id = registered.id
        WHERE reader.client_id = caller.id AND registered.resource = ANY(token.resources)
       ) AS visible ON TRUE
 WHERE caller.client_id = %(client_id)s AND caller.disabled_at IS NULL
   AND EXISTS (SELECT FROM ims_clientsecret AS secret
                WHERE secret.client_id = caller.id AND secret.digest = %(secret_digest)s
                  AND (secret.expires_at IS NULL OR secret.expires_at > %(now)s))
"""


def find_introspection(
    *, client_id: str, secret_digest: bytes | None, token_digest: bytes | None
) -> Introspection | None:
    """Return what the caller may know of the token, or None when the caller is not who it says.

    Runs one statement: client authentication, token, owner, grant, user and the resources that
    list the caller in `introspection_clients`. Without a secret nobody is authenticated.
    """
    values = {
        "client_id": client_id,
        "secret_digest": secret_digest,
        "token_digest": token_digest,
        "now": timezone.now(),
    }
    with connection.cursor() as cursor:
        cursor.execute(_STATEMENT, values)
        row = cursor.fetchone()
    if row is None:
        return None
    record = dict(zip(_COLUMNS, row, strict=True))
    token = _read_token(record) if record["resources"] else None
    return Introspection(record["token_endpoint_auth_method"], token)


def _read_token(record: dict[str, Any]) -> IntrospectedToken:
    return IntrospectedToken(
        id=record["id"],
        client_id=record["client_id"],
        scopes=tuple(record["scopes"]),
        issued_at=record["issued_at"],
        expires_at=record["expires_at"],
        resources=tuple(_read_resource(resource) for resource in record["resources"]),
        person=_read_person(record) if record["subject"] else None,
    )


def _read_resource(resource: dict[str, Any]) -> VisibleResource:
    return VisibleResource(
        resource["resource"], frozenset(resource["scopes"]), frozenset(resource["claims"])
    )


def _read_person(record: dict[str, Any]) -> Person:
    return Person(
        subject=record["subject"],
        username=record["username"],
        email=record["email"],
        email_verified=record["email_verified"],
        given_name=record["given_name"],
        family_name=record["family_name"],
        groups=tuple(record["groups"]),
        authenticated_at=record["authenticated_at"],
        acr=record["acr"] or "",
        amr=tuple(record["amr"] or ()),
    )
