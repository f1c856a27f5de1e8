"""RFC 7662 §2.2: what a caller reads of a token, as JSON members."""

from collections.abc import Sequence

from ims import conf
from ims.claim_sources import read_mapped_claims
from ims.introspected import IntrospectedToken, VisibleResource


def introspect_as_document(
    *, token: IntrospectedToken | None, resources: Sequence[VisibleResource] = ()
) -> dict[str, object]:
    """Return the members of RFC 7662 §2.2 about `token`, cut to `resources`.

    Without a token only `active`: false. `aud` and `scope` name only what the caller is meant to
    see; times are Unix seconds. An answer about one resource has its mapped claims as well, as its
    phantom JWT has them, unless that JWT is encrypted to the resource.
    """
    if token is None:
        return {"active": False}
    audience = [resource.resource for resource in resources]
    issued_at = int(token.issued_at.timestamp())
    document: dict[str, object] = {
        "active": True,
        "iss": conf.issuer(),
        "sub": token.subject,
        "aud": audience[0] if len(audience) == 1 else audience,
        "client_id": token.owner.client_id,
        "scope": " ".join(token.list_scopes_of(*resources)),
        # RFC 9449 §6.2: "DPoP" is the type of a token that is bound to a key.
        "token_type": "DPoP" if token.dpop_jkt else "Bearer",
        "exp": int(token.expires_at.timestamp()),
        "iat": issued_at,
        "nbf": issued_at,
        "jti": str(token.id),
        **token.list_bindings(),
        # RFC 9470 §6.2: a resource server decides on step-up with these.
        **token.list_authentication(),
    }
    # A name is a claim like any other: for those whose resource was declared to need it.
    # What an API has encrypted for itself alone is not told in clear by another form.
    is_confidential = any(each.jwt_encryption_alg for each in resources)
    is_needed = any("username" in each.mappings.values() for each in resources)
    if token.person and is_needed and not is_confidential:
        document["username"] = token.person.username
    if len(resources) == 1 and not is_confidential:
        document = read_mapped_claims(token, resources[0].mappings) | document
    return document
