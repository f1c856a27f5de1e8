"""RFC 7662 §2.2: what a caller reads of a token, as JSON members."""

from collections.abc import Sequence

from ims import conf
from ims.queries.introspection import IntrospectedToken, VisibleResource


def introspect_as_document(
    *, token: IntrospectedToken, resources: Sequence[VisibleResource]
) -> dict[str, object]:
    """Return the members of RFC 7662 §2.2 about `token`, cut to `resources`.

    `aud` and `scope` name only what the caller is meant to see; times are Unix seconds.
    """
    audience = [resource.resource for resource in resources]
    issued_at = int(token.issued_at.timestamp())
    document: dict[str, object] = {
        "active": True,
        "iss": conf.issuer(),
        "sub": token.subject,
        "aud": audience[0] if len(audience) == 1 else audience,
        "client_id": token.client_id,
        "scope": " ".join(token.list_scopes_of(*resources)),
        "token_type": "Bearer",
        "exp": int(token.expires_at.timestamp()),
        "iat": issued_at,
        "nbf": issued_at,
        "jti": str(token.id),
    }
    person = token.person
    if person is not None:
        # A name is a claim like any other: for those whose resource was declared to need it.
        if any("preferred_username" in resource.claims for resource in resources):
            document["username"] = person.username
        # RFC 9470 §6.2: a resource server decides on step-up with these.
        if person.authenticated_at is not None:
            document["auth_time"] = int(person.authenticated_at.timestamp())
        if person.acr:
            document["acr"] = person.acr
    return document
