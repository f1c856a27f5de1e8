"""RFC 7662: a caller, a token and what the one may know of the other, in one statement."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.utils import timezone

from ims import prepared
from ims.claim_sources import DECLARABLE_CLAIMS
from ims.introspected import IntrospectedToken, Owner, Person, VisibleResource


@dataclass(frozen=True, slots=True)
class Caller:
    """Who introspects, and how it wants answers of RFC 9701 (§6); empty: not said."""

    client_id: str
    token_endpoint_auth_method: str
    signed_response_alg: str = ""
    encrypted_response_alg: str = ""
    encrypted_response_enc: str = ""
    jwks: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Introspection:
    """The caller proved who it is; `token` is None when the token is inactive for this caller."""

    caller: Caller
    token: IntrospectedToken | None


_COLUMNS: Final = (
    "token_endpoint_auth_method",
    "signed_response_alg",
    "encrypted_response_alg",
    "encrypted_response_enc",
    "jwks",
    "id",
    "client_id",
    "client_name",
    "software_id",
    "software_version",
    "client_uri",
    "scopes",
    "issued_at",
    "expires_at",
    "dpop_jkt",
    "actor",
    "client_subject",
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
# The token first, by its digest: the plan is made once, for tables of any size to come.
# The nested join keeps a token only with a standing client, grant and user; the outer join keeps
# the caller when no token is left, so that a dead token never looks like a failed authentication.
STATEMENT: Final = """
WITH token AS MATERIALIZED (
     SELECT * FROM ims_accesstoken
      WHERE digest = %(token_digest)s AND revoked_at IS NULL AND expires_at > %(now)s)
SELECT caller.token_endpoint_auth_method,
       caller.metadata ->> 'introspection_signed_response_alg',
       caller.metadata ->> 'introspection_encrypted_response_alg',
       caller.metadata ->> 'introspection_encrypted_response_enc',
       CASE WHEN caller.metadata ? 'introspection_encrypted_response_alg'
            THEN (caller.metadata -> 'jwks')::json END,
       token.id, owner.client_id, owner.name, owner.metadata ->> 'software_id',
       owner.metadata ->> 'software_version', owner.metadata ->> 'client_uri',
       token.scopes, token.issued_at, token.expires_at, token.dpop_jkt, token.actor::json,
       token.subject,
       visible.resources,
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
  LEFT JOIN (token
             JOIN ims_client AS owner ON owner.id = token.client_id
             LEFT JOIN ims_grant AS allowed ON allowed.id = token.grant_id
             LEFT JOIN ims_user AS person ON person.id = token.user_id)
    ON owner.disabled_at IS NULL
       AND (token.grant_id IS NULL OR (allowed.id IS NOT NULL AND allowed.revoked_at IS NULL))
       AND (token.user_id IS NULL OR person.is_active)
  LEFT JOIN LATERAL (
       SELECT json_agg(json_build_object(
                  'resource', registered.resource,
                  'claims', registered.claims,
                  'mappings', (SELECT json_object_agg(mapping.claim, mapping.source)
                                 FROM ims_claimmapping AS mapping
                                WHERE mapping.protected_resource_id = registered.id),
                  'jwt_signing_alg', registered.jwt_signing_alg,
                  'jwt_encryption_alg', registered.jwt_encryption_alg,
                  'jwks', CASE WHEN registered.jwt_encryption_alg <> '' THEN registered.jwks END,
                  'scopes', ARRAY(SELECT scope.name FROM ims_resourcescope AS scope
                                   WHERE scope.protected_resource_id = registered.id))
                  ORDER BY registered.resource) AS resources
         FROM ims_protectedresource AS registered
         JOIN ims_protectedresource_introspection_clients AS reader
              ON reader.protectedresource_id = registered.id
        WHERE reader.client_id = caller.id AND registered.resource = ANY(token.resources)
       ) AS visible ON TRUE
 WHERE caller.client_id = %(client_id)s AND caller.disabled_at IS NULL
   AND (%(is_proven)s
        OR EXISTS (SELECT FROM ims_clientsecret AS secret
                    WHERE secret.client_id = caller.id AND secret.digest = %(secret_digest)s
                      AND (secret.expires_at IS NULL OR secret.expires_at > %(now)s)))
"""


def find_introspection(
    *,
    client_id: str,
    token_digest: bytes | None,
    secret_digest: bytes | None = None,
    is_proven: bool = False,
) -> Introspection | None:
    """Return what the caller may know of the token, or None when the caller is not who it says.

    Runs one statement: client authentication, token, owner, grant, user and the resources that
    list the caller in `introspection_clients`. Without a secret nobody is authenticated, unless
    the caller has proven itself otherwise before (`is_proven`).
    """
    values = {
        "client_id": client_id,
        "secret_digest": secret_digest,
        "token_digest": token_digest,
        "is_proven": is_proven,
        "now": timezone.now(),
    }
    row = prepared.fetch_one(STATEMENT, values)
    return None if row is None else read_introspection(client_id, row)


def read_introspection(client_id: str, row: Sequence[Any]) -> Introspection:
    """Return what a row of STATEMENT says; `client_id` is the caller that it was asked for."""
    record = dict(zip(_COLUMNS, row, strict=True))
    caller = Caller(
        client_id,
        record["token_endpoint_auth_method"],
        signed_response_alg=record["signed_response_alg"] or "",
        encrypted_response_alg=record["encrypted_response_alg"] or "",
        encrypted_response_enc=record["encrypted_response_enc"] or "",
        jwks=record["jwks"],
    )
    return Introspection(caller, _read_token(record) if record["resources"] else None)


def list_mappings(claims: Iterable[str], mappings: Mapping[str, str]) -> dict[str, str]:
    """Return the source of each claim: declared by the API, or mapped by an administrator."""
    return {
        claim: DECLARABLE_CLAIMS[claim] for claim in claims if claim in DECLARABLE_CLAIMS
    } | dict(mappings)


def _read_token(record: dict[str, Any]) -> IntrospectedToken:
    return IntrospectedToken(
        id=record["id"],
        owner=Owner(
            client_id=record["client_id"],
            name=record["client_name"],
            software_id=record["software_id"] or "",
            software_version=record["software_version"] or "",
            client_uri=record["client_uri"] or "",
        ),
        scopes=tuple(record["scopes"]),
        issued_at=record["issued_at"],
        expires_at=record["expires_at"],
        resources=tuple(_read_resource(resource) for resource in record["resources"]),
        person=_read_person(record) if record["subject"] else None,
        dpop_jkt=record["dpop_jkt"],
        actor=record["actor"],
        client_subject=record["client_subject"] or "",
    )


def _read_resource(resource: dict[str, Any]) -> VisibleResource:
    return VisibleResource(
        resource["resource"],
        frozenset(resource["scopes"]),
        mappings=list_mappings(resource["claims"], resource["mappings"] or {}),
        jwt_signing_alg=resource["jwt_signing_alg"],
        jwt_encryption_alg=resource["jwt_encryption_alg"],
        jwks=resource["jwks"],
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
