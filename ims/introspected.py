"""What introspection knows of a live access token (RFC 7662 §2.2, RFC 9068 §2.2)."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class VisibleResource:
    """A resource that the token is made for and that lists the caller.

    `mappings` names the source of each claim that it asks for (`ims.claim_sources`). Its JWT is
    encrypted to a key of `jwks` where `jwt_encryption_alg` is not empty.
    """

    resource: str
    scopes: frozenset[str]
    mappings: Mapping[str, str] = field(default_factory=dict)
    jwt_signing_alg: str = "ES256"
    jwt_encryption_alg: str = ""
    jwks: Mapping[str, Any] | None = None


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
class Owner:
    """The client that holds a token, with what it says of itself (RFC 7591 §2)."""

    client_id: str
    name: str = ""
    software_id: str = ""
    software_version: str = ""
    client_uri: str = ""


@dataclass(frozen=True, slots=True)
class IntrospectedToken:
    """A live access token, cut to the resources that the caller may see; there is at least one."""

    id: uuid.UUID
    owner: Owner
    scopes: tuple[str, ...]
    issued_at: datetime
    expires_at: datetime
    resources: tuple[VisibleResource, ...]
    person: Person | None = field(default=None, repr=False)
    # The key that must be shown with it (RFC 9449 §6.1), and who acts for the subject (RFC 8693).
    dpop_jkt: str = ""
    actor: Mapping[str, Any] | None = None
    # The client that an exchanged token is about (RFC 8693); empty: the one that holds it.
    client_subject: str = ""

    @property
    def subject(self) -> str:
        """RFC 9068 §2.2: the user, or the client where no user is involved."""
        client = self.client_subject or self.owner.client_id
        return str(self.person.subject) if self.person else client

    def list_scopes_of(self, *resources: VisibleResource) -> list[str]:
        """Return the token's scopes that belong to `resources`, in the token's order."""
        belonging = frozenset[str]().union(*(resource.scopes for resource in resources))
        return [scope for scope in self.scopes if scope in belonging]

    def list_bindings(self) -> dict[str, object]:
        """Return `cnf` (RFC 9449 §6.1) and `act` (RFC 8693 §4.1), where the token has them."""
        bindings: dict[str, object] = {}
        if self.dpop_jkt:
            bindings["cnf"] = {"jkt": self.dpop_jkt}
        if self.actor:
            bindings["act"] = self.actor
        return bindings

    def list_authentication(self) -> dict[str, object]:
        """RFC 9068 §2.2.1: how the user was authenticated, as far as it is known."""
        claims: dict[str, object] = {}
        if self.person is None:
            return claims
        if self.person.authenticated_at is not None:
            claims["auth_time"] = int(self.person.authenticated_at.timestamp())
        if self.person.acr:
            claims["acr"] = self.person.acr
        if self.person.amr:
            claims["amr"] = list(self.person.amr)
        return claims
