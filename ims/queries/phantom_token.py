"""The phantom token: what one API reads in place of an opaque token (RFC 9068)."""

from ims import conf
from ims.claim_sources import read_mapped_claims
from ims.introspected import IntrospectedToken, VisibleResource


def list_phantom_claims(
    *, token: IntrospectedToken, resource: VisibleResource
) -> dict[str, object]:
    """Return the claims of the `at+jwt` about `token` that only `resource` may accept.

    Its audience, scopes and claims are this resource's and nobody else's. `iat` and `exp` are the
    opaque token's own, so that the two age together; `jti` is the opaque token's id, so that logs
    of an API and of the token service can be put side by side. Runs no statement.
    """
    return {
        **read_mapped_claims(token, resource.mappings),
        # Last: nothing that is mapped stands in for one of these.
        "iss": conf.issuer(),
        "sub": token.subject,
        "aud": resource.resource,
        "client_id": token.owner.client_id,
        "scope": " ".join(token.list_scopes_of(resource)),
        "iat": int(token.issued_at.timestamp()),
        "exp": int(token.expires_at.timestamp()),
        "jti": str(token.id),
        **token.list_bindings(),
        **token.list_authentication(),
    }
