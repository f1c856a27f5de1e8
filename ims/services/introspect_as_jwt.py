"""The phantom token: the by-value JWT that one API gets in place of an opaque token (RFC 9068)."""

from collections.abc import Callable
from typing import Final

from ims import conf
from ims.queries.introspection import IntrospectedToken, Person, VisibleResource
from ims.services.sign_jwt import sign_jwt

# One reader for each of `resource_declaration.MAPPABLE_CLAIMS`.
CLAIM_READERS: Final[dict[str, Callable[[Person], object]]] = {
    "email": lambda person: person.email,
    "email_verified": lambda person: person.email_verified,
    "family_name": lambda person: person.family_name,
    "given_name": lambda person: person.given_name,
    "groups": lambda person: list(person.groups),
    "name": lambda person: f"{person.given_name} {person.family_name}".strip(),
    "preferred_username": lambda person: person.username,
}


def introspect_as_jwt(*, token: IntrospectedToken, resource: VisibleResource) -> str:
    """Return an `at+jwt` about `token` that only `resource` may accept.

    Its audience, scopes and claims are this resource's and nobody else's. `iat` and `exp` are the
    opaque token's own, so that the two age together; `jti` is the opaque token's id, so that logs
    of an API and of the token service can be put side by side.
    """
    claims: dict[str, object] = {
        "iss": conf.issuer(),
        "sub": token.subject,
        "aud": resource.resource,
        "client_id": token.client_id,
        "scope": " ".join(token.list_scopes_of(resource)),
        "iat": int(token.issued_at.timestamp()),
        "exp": int(token.expires_at.timestamp()),
        "jti": str(token.id),
    }
    if token.person is not None:
        claims |= _read_authentication(token.person)
        claims |= _read_mapped_claims(token.person, resource)
    return sign_jwt(claims=claims, typ="at+jwt")


def _read_authentication(person: Person) -> dict[str, object]:
    """RFC 9068 §2.2.1: how the user was authenticated, as far as it is known."""
    claims: dict[str, object] = {}
    if person.authenticated_at is not None:
        claims["auth_time"] = int(person.authenticated_at.timestamp())
    if person.acr:
        claims["acr"] = person.acr
    if person.amr:
        claims["amr"] = list(person.amr)
    return claims


def _read_mapped_claims(person: Person, resource: VisibleResource) -> dict[str, object]:
    """Return the claims that `resource` asks for; a claim without a value is left out."""
    values = {name: read(person) for name, read in CLAIM_READERS.items() if name in resource.claims}
    return {name: value for name, value in values.items() if value != ""}
